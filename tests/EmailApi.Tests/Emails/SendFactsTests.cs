using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Emails;

/// <summary>Tags, metadata and stream: what a mail carries for its sender and no reader sees.</summary>
public sealed class SendFactsTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    [Fact]
    public async Task Tags_come_back_as_given_and_do_not_leave()
    {
        var tags = new JsonObject { ["order"] = "4711", ["顧客"] = "山田", ["a/b~c"] = "x y" };

        var id = await app.SendAsync(more: new() { ["tags"] = tags });
        var mail = Assert.Single(await app.RelayedAsync(id));

        Assert.True(JsonNode.DeepEquals(tags, JsonNode.Parse((await app.GetAsync($"/v1/emails/{id}")).GetProperty("tags").GetRawText())));
        Assert.DoesNotContain("4711", mail.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"n":1e400,"small":1e-400,"long":123456789012345678901234567890,"trailing":1.10}""")]
    [InlineData("""{"nested":{"list":[1,"two",null,true,{"deep":[[]]}]},"empty":""}""")]
    [InlineData("""{"b":1,"a":2,"名前":"山田","quote":"\"\\"}""")]
    public async Task Metadata_come_back_as_given(string metadata)
    {
        using var answer = await app.Http.PostTextAsync("/v1/emails", $$"""{"from":"orders@shop.example","to":"taro@example.jp","subject":"s","text":"t","metadata":{{metadata}}}""");
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        var id = (await answer.JsonAsync()).GetProperty("id").GetString()!;

        var read = (await app.GetAsync($"/v1/emails/{id}")).GetProperty("metadata").GetRawText();

        Assert.Equal(metadata, read);
    }

    [Fact]
    public async Task Metadata_of_16_KiB_are_kept_and_one_byte_more_is_refused()
    {
        var mail = TestApp.Mail();
        mail["metadata"] = new JsonObject { ["x"] = new string('a', 16 * 1024 - """{"x":""}""".Length) };

        using var taken = await app.PostAsync(mail);
        mail["metadata"] = new JsonObject { ["x"] = new string('a', 16 * 1024 + 1 - """{"x":""}""".Length) };
        using var refused = await app.PostAsync(mail);
        var problem = await ProblemDocument.ReadAsync(refused);

        Assert.True(taken.IsSuccessStatusCode);
        Assert.Equal([("#/metadata", "too_large")], problem.Errors);
    }

    [Fact]
    public async Task Nothing_given_is_empty_and_the_stream_is_transactional()
    {
        var id = await app.SendAsync();

        var email = await app.GetAsync($"/v1/emails/{id}");

        Assert.Equal("{}", email.GetProperty("tags").GetRawText());
        Assert.Equal("{}", email.GetProperty("metadata").GetRawText());
        Assert.Equal("transactional", email.GetProperty("stream").GetString());
    }

    [Fact]
    public async Task A_mail_goes_into_the_stream_that_it_names()
    {
        await app.ExecuteAsync("insert into streams (project_id, name, priority, life, in_doubt) select id, 'otp', 10, interval '10 minutes', 'stop' from projects where name = 'default'");

        var id = await app.SendAsync(more: new() { ["stream"] = "otp" });
        var email = await app.GetAsync($"/v1/emails/{id}");

        Assert.Equal("otp", email.GetProperty("stream").GetString());
        Assert.Equal(TimeSpan.FromMinutes(10), email.GetProperty("expires_at").GetDateTimeOffset() - email.GetProperty("created_at").GetDateTimeOffset());
    }

    [Fact]
    public async Task Null_is_as_good_as_left_out()
    {
        using var answer = await app.Http.PostTextAsync("/v1/emails", """
            {"from":"orders@shop.example","to":"taro@example.jp","cc":null,"bcc":null,"reply_to":null,"subject":"s","text":"t","html":null,"headers":null,
             "attachments":null,"stream":null,"tags":null,"metadata":null,"send_at":null,"expires_at":null,"envelope":null,"sensitive":null}
            """);

        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }
}
