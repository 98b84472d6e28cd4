using EmailApi.Http;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Http;

public sealed class SettingsTests
{
    const string Relay = "EmailApi:Relays:0:";

    /// <summary>The sentence with which the start ends.</summary>
    static async Task<string> SentenceAsync(params string[] settings)
    {
        using var folder = new TemporaryFolder();
        string[] args =
        [
            "--urls=http://127.0.0.1:0", "--ConnectionStrings:EmailApi=Host=127.0.0.1;Port=1;Database=none", $"--EmailApi:DataDirectory={folder["data"]}",
            $"--{Relay}Name=main", $"--{Relay}Host=smtp.example.com", .. settings.Select(s => $"--{s}"),
        ];
        var error = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var app = await Program.BuildAsync(args);
            await app.StartAsync();
        });

        var sentence = StartRefusals.SentenceOf(error) ?? throw new InvalidOperationException("The start ended without a sentence.", error);
        Assert.DoesNotContain('\n', sentence);
        Assert.DoesNotContain("Exception", sentence, StringComparison.Ordinal);
        Assert.DoesNotContain("EmailApi.Http", sentence, StringComparison.Ordinal);
        Assert.Matches("[.…]$", sentence);
        return sentence;
    }

    [Theory]
    [InlineData("EmailApi:Rolle=api", "EmailApi__Rolle")]
    [InlineData("EmailApi:Relay:0:Host=x", "EmailApi__Relay")]
    [InlineData(Relay + "Hots=x", "EmailApi__Relays__0__Hots")]
    [InlineData(Relay + "Host:Name=x", "EmailApi__Relays__0__Host__Name")]
    [InlineData("EmailApi:Relays:main:Host=x", "EmailApi__Relays__main")]
    [InlineData("EmailApi:Relays=smtp.example.com", "EmailApi__Relays")]
    [InlineData("EmailApi:Capture=2525", "EmailApi__Capture")]
    [InlineData("EmailApi:Bootstrap:Key=x", "EmailApi__Bootstrap__Key")]
    [InlineData("EmailApi:Accepts=true", "EmailApi__Accepts")]
    [InlineData("EmailApi:UsesEmbeddedDatabase=true", "EmailApi__UsesEmbeddedDatabase")]
    public async Task A_setting_that_there_is_not_stops_the_start(string setting, string name) =>
        Assert.Contains(name + ":", await SentenceAsync(setting), StringComparison.Ordinal);

    [Theory]
    [InlineData("ConnectionStrings:EmailApiDirect=nonsense", "ConnectionStrings__EmailApiDirect cannot be read: ")]
    [InlineData("ConnectionStrings:EmailApiDirect=Database=emailapi", "ConnectionStrings__EmailApiDirect names no host")]
    [InlineData("ConnectionStrings:EmailApi=", "ConnectionStrings__EmailApiDirect is the way past the pooler of ConnectionStrings__EmailApi, which is not set", "ConnectionStrings:EmailApiDirect=Host=127.0.0.1")]
    public async Task A_way_past_the_pooler_that_leads_nowhere_stops_the_start(string setting, string sentence, params string[] more) =>
        Assert.Contains(sentence, await SentenceAsync([setting, .. more]), StringComparison.Ordinal);

    [Theory]
    [InlineData("EmailApi:Submission:Port=2587", "EmailApi__Submission")]
    public async Task A_setting_of_a_later_version_is_said_to_be_one(string setting, string name) =>
        Assert.Contains($"{name} is not supported by this version yet", await SentenceAsync(setting), StringComparison.Ordinal);

    [Theory]
    [InlineData("EmailApi:Role=both", "EmailApi__Role", "all, api, worker")]
    [InlineData("EmailApi:Role=7", "EmailApi__Role", "all, api, worker")]
    [InlineData("EmailApi:Role=", "EmailApi__Role", "all, api, worker")]
    [InlineData("EmailApi:Migrate=maybe", "EmailApi__Migrate", "true or false")]
    [InlineData("EmailApi:DataDirectory=", "EmailApi__DataDirectory", "required")]
    [InlineData("EmailApi:MasterKey=secret", "EmailApi__MasterKey", "32 bytes")]
    [InlineData("EmailApi:MasterKey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "EmailApi__MasterKey", "32 bytes")]
    [InlineData("EmailApi:MasterKeyFile=/does/not/exist", "EmailApi__MasterKeyFile", "cannot be read")]
    [InlineData("EmailApi:Bootstrap:ApiKey=short", "EmailApi__Bootstrap__ApiKey", "32")]
    [InlineData("EmailApi:Bootstrap:ApiKey=with spaces, so that no header carries it", "EmailApi__Bootstrap__ApiKey", "without spaces")]
    [InlineData("EmailApi:Bootstrap:ApiKeyFile=/does/not/exist", "EmailApi__Bootstrap__ApiKeyFile", "cannot be read")]
    [InlineData("EmailApi:PublicUrl=mail.example", "EmailApi__PublicUrl", "https://")]
    [InlineData("EmailApi:PublicUrl=/t", "EmailApi__PublicUrl", "https://")]
    [InlineData("EmailApi:PublicUrl=ftp://mail.example", "EmailApi__PublicUrl", "https://")]
    [InlineData("EmailApi:PublicUrl=https://user:secret@mail.example", "EmailApi__PublicUrl", "without user")]
    [InlineData("EmailApi:PublicUrl=https://mail.example/?a=1", "EmailApi__PublicUrl", "query")]
    [InlineData("EmailApi:PublicUrl=https://mail.example/#a", "EmailApi__PublicUrl", "fragment")]
    [InlineData("EmailApi:Capture:Port=0", "EmailApi__Capture__Port", "65535")]
    [InlineData("EmailApi:Capture:Port=99999", "EmailApi__Capture__Port", "65535")]
    [InlineData("EmailApi:Capture:Port=smtp", "EmailApi__Capture__Port", "whole number")]
    [InlineData("EmailApi:TrustedProxies:0=proxy", "EmailApi__TrustedProxies__0", "IP address")]
    [InlineData("EmailApi:Webhooks:AllowedNetworks:0=10.0.0.0/40", "EmailApi__Webhooks__AllowedNetworks__0", "10.1.0.0/16")]
    [InlineData("EmailApi:Webhooks:AllowedNetworks:0=internal", "EmailApi__Webhooks__AllowedNetworks__0", "10.1.0.0/16")]
    [InlineData(Relay + "Name=", "EmailApi__Relays__0__Name", "required")]
    [InlineData(Relay + "Name=Main Relay", "EmailApi__Relays__0__Name", "a-z")]
    [InlineData(Relay + "Name=capture", "EmailApi__Relays__0__Name", "choose another")]
    [InlineData(Relay + "Name=unrouted", "EmailApi__Relays__0__Name", "choose another")]
    [InlineData("EmailApi:Relays:1:Name=main", "EmailApi__Relays__1__Host", "required")]
    [InlineData(Relay + "Host=", "EmailApi__Relays__0__Host", "required")]
    [InlineData(Relay + "Host=smtp.example.com:587", "EmailApi__Relays__0__Host", "Port")]
    [InlineData(Relay + "Host=smtp example", "EmailApi__Relays__0__Host", "host name")]
    [InlineData(Relay + "Port=0", "EmailApi__Relays__0__Port", "65535")]
    [InlineData(Relay + "Port=smtp", "EmailApi__Relays__0__Port", "whole number")]
    [InlineData(Relay + "Port=99999999999", "EmailApi__Relays__0__Port", "whole number")]
    [InlineData(Relay + "Security=ssl", "EmailApi__Relays__0__Security", "none, starttls, tls")]
    [InlineData(Relay + "MaxConnections=0", "EmailApi__Relays__0__MaxConnections", "200")]
    [InlineData(Relay + "RatePerSecond=-1", "EmailApi__Relays__0__RatePerSecond", "100000")]
    [InlineData(Relay + "RatePerSecond=fast", "EmailApi__Relays__0__RatePerSecond", "number")]
    [InlineData(Relay + "DataTimeout=1", "EmailApi__Relays__0__DataTimeout", "00:30:00")]
    [InlineData(Relay + "DataTimeout=10 minutes", "EmailApi__Relays__0__DataTimeout", "time span")]
    [InlineData(Relay + "Username=shop", "EmailApi__Relays__0__Username", "together")]
    [InlineData(Relay + "PasswordFile=/does/not/exist", "EmailApi__Relays__0__PasswordFile", "cannot be read")]
    public async Task A_wrong_value_stops_the_start(string setting, string name, string right)
    {
        var sentence = await SentenceAsync(setting);

        Assert.Contains(name + ":", sentence, StringComparison.Ordinal);
        Assert.Contains(right, sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ConnectionStrings:EmailApi=nonsense", "ConnectionStrings__EmailApi")]
    [InlineData("ConnectionStrings:EmailApi=Database=emailapi", "ConnectionStrings__EmailApi")]
    [InlineData("ConnectionStrings:EmailApi=Host=h;Hots=x", "ConnectionStrings__EmailApi")]
    [InlineData("ConnectionStrings:EmailApiFile=/does/not/exist", "ConnectionStrings__EmailApiFile")]
    [InlineData("urls=nonsense", "--urls")]
    public async Task A_wrong_address_stops_the_start(string setting, string name) =>
        Assert.Contains(name, await SentenceAsync(setting), StringComparison.Ordinal);

    [Fact]
    public async Task A_password_is_not_sent_in_clear_nor_shown()
    {
        var sentence = await SentenceAsync(Relay + "Username=shop", Relay + "Password=hunter2", Relay + "Security=none");

        Assert.Contains("EmailApi__Relays__0__Security:", sentence, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_relays_need_two_names_and_all_faults_are_told_at_once()
    {
        var sentence = await SentenceAsync("EmailApi:Relays:1:Name=main", "EmailApi:Relays:1:Host=b.example", "EmailApi:Capture:Port=0");

        Assert.Contains("two relays are named main", sentence, StringComparison.Ordinal);
        Assert.Contains("EmailApi__Capture__Port", sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_taken_stops_the_start()
    {
        await using var taken = FakeRelay.Start();

        Assert.Contains("EmailApi__Capture__Port", await SentenceAsync($"EmailApi:Capture:Port={taken.Port}"), StringComparison.Ordinal);
        Assert.Contains("--urls", await SentenceAsync($"urls=http://127.0.0.1:{taken.Port}"), StringComparison.Ordinal);
    }
}
