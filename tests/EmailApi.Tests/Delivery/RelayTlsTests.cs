using EmailApi.Tests.Support;

namespace EmailApi.Tests.Delivery;

/// <summary>STARTTLS is demanded and the certificate checked, and a password goes to nobody else.</summary>
public sealed class RelayTlsTests : IDisposable
{
    const string Password = "correct horse battery staple";

    static readonly string[] Secured =
        ["--EmailApi:Relays:0:Security=StartTls", "--EmailApi:Relays:0:Host=localhost", "--EmailApi:Relays:0:Username=shop", $"--EmailApi:Relays:0:Password={Password}"];

    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_relay_without_STARTTLS_gets_neither_mail_nor_password()
    {
        await using var app = await TestApp.StartAsync(Secured);
        app.Relay.Auth = true;

        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "deferred");

        Assert.Equal(["deferred start_tls no reply"], await app.Http.AttemptsAsync(id));
        AssertNothingSaid(app.Relay);
    }

    [Theory]
    [InlineData("454 4.7.0 not now", "deferred start_tls 454 4.7.0 not now")]
    [InlineData("554 5.7.0 never", "deferred start_tls 554 5.7.0 never")]
    [InlineData("close", "deferred start_tls no reply")]
    public async Task A_refused_STARTTLS_defers(string answer, string attempt)
    {
        await using var app = await TestApp.StartAsync(Secured);
        (app.Relay.StartTls, app.Relay.Auth) = (true, true);
        app.Relay.AnswerAt(RelayStep.StartTls, answer);

        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "deferred");

        Assert.Equal([attempt], await app.Http.AttemptsAsync(id));
        AssertNothingSaid(app.Relay);
    }

    [Fact]
    public async Task A_certificate_that_nobody_vouches_for_gets_neither_mail_nor_password()
    {
        await using var app = await TestApp.StartAsync(Secured);
        (app.Relay.StartTls, app.Relay.Auth) = (true, true);

        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "deferred");

        Assert.Equal(["deferred start_tls no reply"], await app.Http.AttemptsAsync(id));
        AssertNothingSaid(app.Relay);
    }

    [Fact]
    public async Task With_TLS_the_login_is_made_and_its_refusal_defers()
    {
        await using var test = await TestApp.StartAsync();   // for database and relay; the certificate is trusted by a process of its own alone
        await test.StopAppAsync();
        // Twice each: after a refusal the other way to log in is tried as well.
        (test.Relay.StartTls, test.Relay.Auth, test.Relay.Login) = (true, true, ("shop", Password));
        test.Relay.AnswerAt(RelayStep.Auth, "454 4.7.0 temporary", times: 2);
        test.Relay.AnswerAt(RelayStep.Auth, "535 5.7.8 wrong login", times: 2);
        await File.WriteAllTextAsync(folder["relay.pem"], FakeRelay.Certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
        string[] settings =
        [
            $"--ConnectionStrings:EmailApi={test.ConnectionString}", $"--EmailApi:Bootstrap:ApiKey={TestApp.Key}", $"--EmailApi:MasterKey={TestApp.MasterKey}", "--EmailApi:Relays:0:Name=test", $"--EmailApi:Relays:0:Port={test.Relay.Port}", .. Secured,
        ];

        using var app = await AppProcess.Start(folder.Path, settings, new Dictionary<string, string> { ["SSL_CERT_FILE"] = folder["relay.pem"] }).ReadyAsync();
        var busy = await SendAsync(app.Http, "deferred");
        var refused = await SendAsync(app.Http, "deferred");
        var sent = await SendAsync(app.Http, "sent");
        test.Relay.AnswerAt(RelayStep.Dot, "close", times: 1);
        var lost = await SendAsync(app.Http, "sent");

        Assert.Equal(["deferred auth 454 4.7.0 temporary"], await app.Http.AttemptsAsync(busy));
        Assert.Equal(["deferred auth 535 5.7.8 wrong login"], await app.Http.AttemptsAsync(refused));
        foreach (var id in new[] { busy, refused, sent, lost }) Assert.StartsWith("Tls1", (await app.Http.ListAsync($"/v1/emails/{id}/attempts"))[0].Text("tls"));
        Assert.Equal(2, test.Relay.Mails.Count);
        var said = (await app.Http.ListAsync($"/v1/emails/{refused}/attempts?conversation=true"))[0].GetProperty("conversation").EnumerateArray().Select(l => l.GetString()!).ToList();
        Assert.Contains("C: AUTH PLAIN ********", said);
        Assert.Contains(said, line => line.StartsWith("C: AUTH LOGIN", StringComparison.Ordinal));
        foreach (var secret in new[] { "shop", Password, $"\0shop\0{Password}" })
            Assert.DoesNotContain(said, line => line.Contains(Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(secret)), StringComparison.Ordinal));
        Assert.DoesNotContain(Password, app.Output + app.Errors);
    }

    static async Task<string> SendAsync(HttpClient http, string status)
    {
        using var body = new StringContent(TestApp.Mail().ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync("/v1/emails", body);
        var id = System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.Text("id");
        await http.WaitForStatusAsync(id, status);
        return id;
    }

    /// <summary>In clear the relay heard a greeting and STARTTLS, and nothing else.</summary>
    static void AssertNothingSaid(FakeRelay relay)
    {
        Assert.Empty(relay.Mails);
        Assert.All(relay.Commands, command => Assert.True(command.Line.StartsWith("EHLO", StringComparison.Ordinal) || command.Line is "STARTTLS" or "QUIT", command.Line));
    }
}
