// A shop that confirms orders by mail. In the repository, with the server running:
//   MAIL_KEY=$(cat src/EmailApi/.data/bootstrap.key) dotnet run --project docs/samples/WebSample -- --urls http://localhost:5080
//   curl --json '{"number": 4711, "email": "taro@example.jp"}' localhost:5080/orders
using EmailApi.Client;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddEmailApi(o =>
{
    o.BaseAddress = new Uri(builder.Configuration["MAIL_URL"] ?? "http://localhost:8080");
    o.Key = builder.Configuration["MAIL_KEY"] ?? "";   // left empty, the start stops and says so
});

var app = builder.Build();

// The order's number names the mail: a customer who presses the button twice gets one.
app.MapPost("/orders", async (Order order, EmailApiClient emails, CancellationToken cancel) =>
{
    try
    {
        var accepted = await emails.SendAsync(new()
        {
            From = "Shop <orders@shop.example>",
            To = [order.Email],
            Subject = $"Your order {order.Number}",
            Text = "Thank you for your order.",
            Tags = new Dictionary<string, string> { ["order"] = $"{order.Number}" },
        }, idempotencyKey: $"order-{order.Number}", cancel: cancel);
        return Results.Accepted($"/mails/{accepted.Id}", new { accepted.Id, Status = accepted.Status.Word });
    }
    catch (EmailApiException error) when (error.Code is "validation")
    {
        return Results.ValidationProblem(error.Errors.GroupBy(e => e.Pointer).ToDictionary(g => g.Key, g => g.Select(e => e.Detail).ToArray()));
    }
});

app.MapGet("/mails/{id}", async (string id, EmailApiClient emails, CancellationToken cancel) =>
{
    try
    {
        var email = await emails.GetAsync(id, cancel);
        return Results.Ok(new { Status = email.Status.Word, Recipients = email.Recipients.Select(r => new { r.Email, Status = r.Status.Word }) });
    }
    catch (EmailApiException error) when (error.Code is "not_found")
    {
        return Results.NotFound();
    }
});

app.Run();

sealed record Order(int Number, string Email);
