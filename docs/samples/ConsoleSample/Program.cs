// Sends a mail and waits until every recipient is final. In the repository, with the server running:
//   EMAILAPI_KEY=$(cat src/EmailApi/.data/bootstrap.key) dotnet run --project docs/samples/ConsoleSample -- taro@example.jp
using EmailApi.Client;

var address = Environment.GetEnvironmentVariable("EMAILAPI_URL") ?? "http://localhost:8080";
if (args.Length == 0 || Environment.GetEnvironmentVariable("EMAILAPI_KEY") is not { Length: > 0 } key)
{
    Console.Error.WriteLine("Give one or more addresses, and the key in EMAILAPI_KEY.");
    return 2;
}

using var ctrlC = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) => { pressed.Cancel = true; ctrlC.Cancel(); };

using var http = new HttpClient();
var emails = new EmailApiClient(http, new() { BaseAddress = new Uri(address), Key = key });
try
{
    var accepted = await emails.SendAsync(new()
    {
        From = new EmailAddress("orders@shop.example", "Shop"),
        To = [.. args.Select(to => (EmailAddress)to)],
        Subject = "Hello from .NET",
        Text = "It works.",
        Html = "<p>It works.</p>",
        Attachments = [Attachment.FromBytes("hello.txt", "Hello"u8.ToArray())],
        Tags = new Dictionary<string, string> { ["sample"] = "console" },
    }, cancel: ctrlC.Token);
    Console.WriteLine($"{accepted.Id} is {accepted.Status}");

    var email = await emails.WaitAsync(accepted.Id, timeout: TimeSpan.FromMinutes(1), cancel: ctrlC.Token);
    foreach (var recipient in email.Recipients) Console.WriteLine($"{recipient.Email}: {recipient.Status} {recipient.LastReply?.Text}");
    return email.Status == EmailStatus.Sent ? 0 : 1;
}
catch (EmailApiException error)
{
    Console.Error.WriteLine(error.Message);
    foreach (var fault in error.Errors) Console.Error.WriteLine($"  {fault.Pointer}: {fault.Detail}");
    return 1;
}
catch (TimeoutException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
