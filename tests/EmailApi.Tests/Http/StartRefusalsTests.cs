using EmailApi.Http;

namespace EmailApi.Tests.Http;

public sealed class StartRefusalsTests
{
    [Theory]
    [InlineData("EmailApi:Submission:Port=2587", "A setting is wrong: there is no EmailApi__Submission; README.md lists what there is.")]
    [InlineData("EmailApi:Relays:0:Hots=a", "A setting is wrong: there is no EmailApi__Relays__…__Hots; README.md lists what there is.")]
    [InlineData("EmailApi:Capture:Prot=1", "A setting is wrong: there is no EmailApi__Capture__Prot; README.md lists what there is.")]
    [InlineData("EmailApi:Role=workr", "A setting is wrong: EmailApi__Role cannot be workr; give all or api or worker.")]
    [InlineData("EmailApi:Relays:0:Security=opportunistic", "A setting is wrong: EmailApi__Relays__0__Security cannot be opportunistic; give none or starttls or tls.")]
    [InlineData("EmailApi:Relays:0:DataTimeout=long", "A setting is wrong: EmailApi__Relays__0__DataTimeout cannot be long; give a duration such as 00:00:30.")]
    [InlineData("EmailApi:Relays:0:Port=smtp", "A setting is wrong: EmailApi__Relays__0__Port cannot be smtp; give a number.")]
    [InlineData("EmailApi:Migrate=perhaps", "A setting is wrong: EmailApi__Migrate cannot be perhaps; give true or false.")]
    [InlineData("EmailApi:MasterKey=c2hvcnQ=", "A setting is wrong: EmailApi__MasterKey: it must be 32 bytes as base64; `openssl rand -base64 32` makes one.")]
    public async Task A_wrong_setting_stops_the_start_with_a_sentence_that_names_it(string setting, string sentence)
    {
        var error = await Assert.ThrowsAnyAsync<Exception>(() => Program.BuildAsync(["--environment=Production", "--ConnectionStrings:EmailApi=Host=127.0.0.1", $"--{setting}"]));

        Assert.Equal(sentence, StartRefusals.SentenceOf(error));
    }
}
