using System.Net.Http.Json;
using System.Text.Json;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Tests.Events;

/// <summary>Two nodes write and are killed while somebody reads the feed: what is read is every event, each once.</summary>
public sealed class FeedUnderKillsTests : IAsyncLifetime
{
    const int Kills = 4;
    const int BetweenKills = 60;
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    readonly TemporaryFolder folder = new();
    readonly AppProcess?[] nodes = new AppProcess?[2];
    readonly List<string> read = [];
    FakeRelay relay = null!;
    string database = "";
    volatile bool isOver, isRead;
    int answered;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        relay = FakeRelay.Start();
        database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync));
        for (var i = 0; i < nodes.Length; i++) await StartAsync(i);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in nodes) node?.Dispose();
        await relay.DisposeAsync();
        await TestDatabase.DropAsync(database);
        folder.Dispose();
    }

    [Fact]
    public async Task A_reader_of_the_feed_sees_each_event_once_and_skips_none_and_so_do_the_statistics()
    {
        var writers = Enumerable.Range(0, 4).Select(WriteAsync).ToArray();
        var reader = ReadAsync();
        for (var kill = 0; kill < Kills; kill++)
        {
            var goal = answered + BetweenKills;
            await Eventually.IsAsync(() => answered >= goal, Limit);
            nodes[kill % 2]!.Kill();
            await StartAsync(kill % 2);
        }

        isOver = true;
        await Task.WhenAll(writers);
        await Eventually.IsAsync(async () => await AskAsync<long>("select count(*) from queue") == 0, Limit);   // 30 s until the last dead leases are settled
        var written = await AskAsync<string[]>("select array_agg('ev_' || replace(email_id::text, '-', '') || '_' || n || '_' || sequence) from events");
        await Eventually.IsAsync(() => Task.FromResult(Locked(() => read.Count) >= written.Length), Limit);
        await Task.Delay(1000, Cancel);   // what would be read twice
        var stats = await nodes[0]!.Http.GetFromJsonAsync<JsonElement>("/v1/stats", Cancel);
        isRead = true;
        await reader;

        Assert.Equal(written.Length, Locked(() => read.Distinct().Count()));
        Assert.Equal(written.Length, Locked(() => read.Count));
        Assert.Equal(written.Length, stats.GetProperty("total").GetProperty("counts").EnumerateObject().Where(c => c.Name != "bounced_late").Sum(c => c.Value.GetInt64()));
    }

    async Task WriteAsync(int writer)
    {
        for (var i = 0; !isOver; i++)
        {
            try
            {
                using var answer = await nodes[(writer + i) % 2]!.Http.PostAsJsonAsync("/v1/emails", TestApp.Mail($"r{writer}-{i}@example.jp"), Cancel);
                if (answer.IsSuccessStatusCode) Interlocked.Increment(ref answered);
            }
            catch (Exception error) when (error is HttpRequestException or ObjectDisposedException or NullReferenceException or TaskCanceledException)
            {
                await Task.Delay(20, Cancel);   // it was killed
            }
        }
    }

    /// <summary>Reads from the cursor on, from whichever node lives.</summary>
    async Task ReadAsync()
    {
        string? cursor = null;
        for (var i = 0; !isRead; i++)
        {
            try
            {
                var page = await nodes[i % 2]!.Http.GetFromJsonAsync<JsonElement>($"/v1/events?limit=100&wait=1{(cursor is null ? "" : $"&after={cursor}")}", Cancel);
                cursor = page.GetProperty("next_cursor").GetString() ?? cursor;
                Locked(() => { read.AddRange(page.GetProperty("data").EnumerateArray().Select(e => e.Text("id"))); return 0; });
            }
            catch (Exception error) when (error is HttpRequestException or ObjectDisposedException or NullReferenceException or TaskCanceledException)
            {
                await Task.Delay(20, Cancel);
            }
        }
    }

    async Task StartAsync(int i)
    {
        Directory.CreateDirectory(folder[$"node{i}"]);
        nodes[i] = await AppProcess.Start(folder[$"node{i}"], AppProcess.Production(database, relay)).ReadyAsync();
    }

    async Task<T> AskAsync<T>(string sql)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        await reader.ReadAsync(Cancel);
        return await reader.GetFieldValueAsync<T>(0, Cancel);
    }

    T Locked<T>(Func<T> act)
    {
        lock (read) return act();
    }
}
