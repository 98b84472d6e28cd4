using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Delivery;

/// <summary>A mail that throws or hangs on its way to the relay costs three claims and no other mail; a database that is away is not its doing.</summary>
public sealed class PoisonTests : IAsyncLifetime
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    string database = "";
    DatabaseProxy proxy = null!;
    TestApp app = null!;

    public async ValueTask InitializeAsync()
    {
        database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync));
        proxy = DatabaseProxy.Start(database);
        app = await TestApp.StartAsync($"--ConnectionStrings:EmailApi={proxy.ConnectionString}", "--EmailApi:Relays:0:MailTimeout=00:00:03");
        await app.ExecuteAsync("update streams set retry = array[interval '1 hour']");   // a try is due when the test says so
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        await proxy.DisposeAsync();
        await TestDatabase.DropAsync(database);
    }

    [Fact]
    public async Task A_mail_that_throws_is_poison_after_three_claims_and_others_go()
    {
        var id = await LaterAsync();
        await app.ExecuteAsync($"update contents set document = 'no document'::bytea where email_id = '{id.ToGuid()}'");

        for (var claim = 1; claim <= 3; claim++)
        {
            await TryAsync(id, claim);
            await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
        }

        Assert.Equal("poison", (await app.Http.RecipientAsync(id)).Text("reason"));
        Assert.Equal(["accepted", "scheduled", "deferred", "deferred", "failed"], await app.Http.EventsAsync(id));
        Assert.Empty(app.Relay.CopiesOf(id));
    }

    [Fact]
    public async Task A_mail_that_hangs_is_poison_after_three_claims()
    {
        var id = await LaterAsync(withAttachment: true);
        await using var lockers = await LockBlobsAsync();

        for (var claim = 1; claim <= 3; claim++) await TryAsync(id, claim);

        Assert.Equal("poison", (await app.Http.RecipientAsync(id)).Text("reason"));
    }

    [Fact]
    public async Task Three_claims_that_broke_are_three_in_a_row()
    {
        var id = await LaterAsync();
        await app.ExecuteAsync($"update contents set document = 'no document'::bytea where email_id = '{id.ToGuid()}'");
        await TryAsync(id, 1);

        await app.ExecuteAsync($"update queue set claims = 0 where email_id = '{id.ToGuid()}'");   // as a try in between leaves it that the relay answered
        await TryAsync(id, 2);
        await TryAsync(id, 3);

        Assert.Equal("deferred", await app.Http.StatusAsync(id));
    }

    [Fact]
    public async Task An_attachment_that_cannot_be_read_for_an_outage_waits_and_is_sent_once()
    {
        await app.DisposeAsync();
        app = await TestApp.StartAsync($"--ConnectionStrings:EmailApi={proxy.ConnectionString}");   // with time for an outage
        var id = await LaterAsync(withAttachment: true);
        await using (await LockBlobsAsync())
        {
            await DueAsync(id);
            await app.UntilAsync(async db => await db.Queue.AnyAsync(q => q.EmailId == id.ToGuid() && q.LeaseUntil != null));
            await proxy.StopAsync();
        }

        await Task.Delay(1000);   // some tries come to nothing
        proxy.Restart();
        await BackAsync(id);
        await app.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal(["accepted", "scheduled", "sent"], await app.Http.EventsAsync(id));
        Assert.Single(app.Relay.CopiesOf(id));
    }

    [Theory]
    [InlineData("250 2.0.0 Taken", "sent")]
    [InlineData("451 4.3.0 later", "deferred")]
    public async Task A_reply_that_comes_long_after_the_database_went_away_is_recorded_when_it_is_back(string reply, string state)
    {
        await app.DisposeAsync();
        app = await TestApp.StartAsync($"--ConnectionStrings:EmailApi={proxy.ConnectionString}");
        var (arrived, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        app.Relay.OnDot = _ => { arrived.TrySetResult(); return goOn.Task; };
        app.Relay.AnswerAt(RelayStep.Dot, reply);
        var id = await app.SendAsync();
        await arrived.Task.WaitAsync(Limit);

        await proxy.StopAsync();
        await Task.Delay(5000);   // longer than a node remembers streams
        goOn.SetResult();
        await Task.Delay(500);
        proxy.Restart();
        await BackAsync(id);
        await app.Http.WaitForStatusAsync(id, state);

        Assert.Equal(["accepted", state], await app.Http.EventsAsync(id));
    }

    Task<string> LaterAsync(bool withAttachment = false)
    {
        var more = new System.Text.Json.Nodes.JsonObject { ["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("O", System.Globalization.CultureInfo.InvariantCulture) };
        if (withAttachment) more["attachments"] = new System.Text.Json.Nodes.JsonArray(new System.Text.Json.Nodes.JsonObject { ["filename"] = "a.txt", ["content"] = "SXQgd29ya3Mu" });
        return app.SendAsync(more: more);
    }

    /// <summary>Waits as a client does, by asking again.</summary>
    Task BackAsync(string id) => Eventually.IsAsync(async () => (await app.Http.GetAsync($"/v1/emails/{id}")).IsSuccessStatusCode, Limit);

    /// <summary>One more claim, to its end.</summary>
    async Task TryAsync(string id, int attempt)
    {
        await DueAsync(id);
        await app.UntilAsync(db => db.Attempts.AnyAsync(a => a.EmailId == id.ToGuid() && a.Number == attempt));
    }

    Task<int> DueAsync(string id) => app.ExecuteAsync($"update queue set due_at = now() where email_id = '{id.ToGuid()}'");

    /// <summary>Nobody reads an attachment while this connection is open.</summary>
    async Task<NpgsqlConnection> LockBlobsAsync()
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("begin; lock table blobs in access exclusive mode", connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }
}
