using System.Text;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Bounces;

/// <summary>Anybody can send to the bounce listener: nothing of that is believed without a tag, and nothing is ever sent because of it.</summary>
public sealed class BackscatterTests(BounceApp bounce) : IClassFixture<BounceApp>
{
    TestApp App => bounce.App;

    [Fact]
    public async Task A_thousand_forged_reports_change_nothing()
    {
        var (id, returnPath) = await bounce.SentAsync();
        var messageId = (await App.GetAsync($"/v1/emails/{id}")).Text("message_id");
        var events = await App.QueryAsync(db => db.Events.CountAsync());
        var random = new Random(1);

        await Parallel.ForEachAsync(Enumerable.Range(0, 1000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            var forged = i % 2 == 0 ? "fbl@bounce.example" : Forged(returnPath, random);
            await bounce.SmtpAsync(i % 3 == 0 ? Reports.Complaint(Forged(returnPath, random), "taro@example.jp") : Reports.Dsn("taro@example.jp", messageId: messageId), "", forged);
        });

        Assert.Equal("sent", await App.Http.StatusAsync(id));
        Assert.Equal(events, await App.QueryAsync(db => db.Events.CountAsync()));
    }

    [Fact]
    public async Task Only_return_paths_and_the_desks_of_the_domain_are_taken()
    {
        var (_, returnPath) = await bounce.SentAsync();

        var (replies, _) = await bounce.SmtpAsync("x", "a@example.jp",
            "taro@example.jp", "nobody@bounce.example", Forged(returnPath, new Random(2)), "postmaster@bounce.example", returnPath, returnPath.ToUpperInvariant());

        Assert.Equal(["550 5.7.1", "550 5.1.1", "550 5.1.1", "250 2.1.5", "250 2.1.5", "250 2.1.5"], replies.Select(r => r[..9]));
    }

    [Fact]
    public async Task A_message_that_has_gone_round_in_circles_is_refused()
    {
        var (_, returnPath) = await bounce.SentAsync();
        var hops = new StringBuilder();
        for (var i = 0; i < 101; i++) hops.Append("Received: from a by b\r\n\twith SMTP\r\n");

        var (_, loop) = await bounce.SmtpAsync(hops + Reports.Dsn("taro@example.jp"), "", returnPath);
        var (_, body) = await bounce.SmtpAsync(Reports.AutoReply(returnPath) + hops, "", returnPath);

        Assert.Equal("554 5.4.6", loop![..9]);
        Assert.Equal("250", body![..3]);
    }

    [Fact]
    public async Task What_comes_back_is_never_answered_by_mail()
    {
        var (_, returnPath) = await bounce.SentAsync();
        var before = App.Relay.Mails.Count;

        await bounce.SmtpAsync(Reports.AutoReply(returnPath), "loop@example.jp", returnPath);
        await bounce.SmtpAsync(Reports.Dsn("taro@example.jp"), "loop@example.jp", returnPath);
        await App.RunDueAsync();

        Assert.Equal(before, App.Relay.Mails.Count);
    }

    static string Forged(string returnPath, Random random)
    {
        var letters = returnPath.ToCharArray();
        int at;
        lock (random) at = random.Next(1, 49);
        letters[at] = letters[at] == 'q' ? 'r' : 'q';
        return new(letters);
    }
}
