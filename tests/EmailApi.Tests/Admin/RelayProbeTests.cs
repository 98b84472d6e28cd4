using EmailApi.Admin;
using EmailApi.Relays;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Admin;

/// <summary>A relay is wrong in one way at a time. The certificate that is right needs a process that trusts it: DoctorTests.</summary>
public sealed class RelayProbeTests : IAsyncDisposable
{
    const string Setting = "EmailApi__Relays__0";

    readonly FakeRelay relay = FakeRelay.Start();

    public ValueTask DisposeAsync() => relay.DisposeAsync();

    [Fact]
    public async Task A_relay_in_clear_is_well_and_is_left_with_QUIT()
    {
        Assert.Equal(["TCP", "banner", "EHLO"], await SubjectsAsync(RelaySecurity.None));
        Assert.Equal(["EHLO [127.0.0.1]", "QUIT"], relay.Commands.Select(c => c.Line));
    }

    [Fact]
    public async Task A_relay_that_is_not_there()
    {
        await relay.StopAsync();

        await AssertWrongAsync(RelaySecurity.None, "TCP", $"{Setting}__Port");
    }

    [Fact]
    public async Task A_name_that_is_none()
    {
        var finding = Assert.Single(await ProbeAsync(RelaySecurity.None, host: "relay.invalid"));

        Assert.StartsWith($"WRONG relay main DNS: relay.invalid has no address", finding.ToString());
        Assert.Contains($"do: correct {Setting}__Host", finding.ToString());
    }

    [Theory]
    [InlineData(RelayStep.Banner, "554 5.7.1 not you", "banner")]
    [InlineData(RelayStep.Connect, "close", "banner")]
    [InlineData(RelayStep.Ehlo, "500 5.5.1 what", "EHLO")]
    [InlineData(RelayStep.Ehlo, "close", "EHLO")]
    public async Task A_relay_that_refuses(RelayStep step, string answer, string subject)
    {
        relay.AnswerAt(step, answer);

        await AssertWrongAsync(RelaySecurity.None, subject, "relay's log");
    }

    [Fact]
    public async Task STARTTLS_that_is_not_offered() => await AssertWrongAsync(RelaySecurity.StartTls, "STARTTLS", $"{Setting}__Security to tls");

    [Fact]
    public async Task STARTTLS_that_is_refused()
    {
        relay.StartTls = true;
        relay.AnswerAt(RelayStep.StartTls, "454 4.7.0 not now");

        await AssertWrongAsync(RelaySecurity.StartTls, "STARTTLS", "relay's log");
    }

    [Fact]
    public async Task A_certificate_that_nobody_vouches_for()
    {
        relay.StartTls = true;

        await AssertWrongAsync(RelaySecurity.StartTls, "certificate", "SSL_CERT_FILE");
        Assert.Equal(["EHLO [127.0.0.1]", "STARTTLS"], relay.Commands.Select(c => c.Line));
    }

    [Fact]
    public async Task TLS_on_a_port_in_clear() => await AssertWrongAsync(RelaySecurity.Tls, "TLS", $"{Setting}__Security=starttls");

    [Fact]
    public async Task A_password_where_no_AUTH_is_offered()
    {
        var findings = await new RelayProbe(Options(RelaySecurity.None) with { Username = "u" }, Setting, TimeProvider.System).RunAsync(TestContext.Current.CancellationToken);

        Assert.StartsWith("WRONG relay main AUTH: ", findings[^1].ToString());
    }

    [Fact]
    public void A_finding_is_one_line() =>
        Assert.Equal("WRONG a: b c: do: d", Finding.Wrong("a", "b\nc.", "d.").ToString());

    async Task AssertWrongAsync(RelaySecurity security, string subject, string todo)
    {
        var findings = await ProbeAsync(security);

        Assert.All(findings.SkipLast(1), f => Assert.Null(f.ToDo));
        Assert.StartsWith($"WRONG relay main {subject}: ", findings[^1].ToString());
        Assert.Contains(todo, findings[^1].ToDo);
    }

    async Task<string[]> SubjectsAsync(RelaySecurity security) =>
        [.. (await ProbeAsync(security)).Select(f => { Assert.Null(f.ToDo); return f.Subject["relay main ".Length..]; })];

    async Task<IReadOnlyList<Finding>> ProbeAsync(RelaySecurity security, string host = "127.0.0.1") =>
        await new RelayProbe(Options(security) with { Host = host }, Setting, TimeProvider.System).RunAsync(TestContext.Current.CancellationToken);

    RelayOptions Options(RelaySecurity security) => new() { Name = "main", Host = "127.0.0.1", Port = relay.Port, Security = security };
}
