using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>Postfix's smtp-sink as the relay.</summary>
static class SinkChecks
{
    const int Mails = 400;

    public static Task RunAsync(Checks checks, WorkFolder folder, Database database) => checks.CheckAsync($"{Mails} mails through smtp-sink: all arrive once and are sent", async () =>
    {
        var cancel = checks.Cancel;
        await using var sink = await SmtpSink.StartAsync(folder, cancel);
        await using var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), EmailApiServer.RelaySettings(sink.Port, 10), cancel);

        var ids = new List<string>();
        foreach (var chunk in Enumerable.Range(1, Mails).Chunk(20))
            ids.AddRange(await Task.WhenAll(chunk.Select(n => app.SendAsync(Api.Mail($"customer-{n}@example.com", $"Order {n}"), cancel))));
        foreach (var id in ids) await app.WaitForAsync(id, "sent", cancel);

        Checks.Equal(Mails, await sink.WaitForAsync(Mails, TimeSpan.FromSeconds(5), cancel), "the sink's count");
        var ledger = await app.GetAsync("/v1/ledger", cancel);
        Checks.True(ledger.GetProperty("balanced").GetBoolean(), $"The ledger is not balanced: {ledger}");
    });
}
