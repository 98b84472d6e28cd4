using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using EmailApi.Faults;
using EmailApi.Faults.Scenarios;
using EmailApi.Tests.Support;

[assembly: SupportedOSPlatform("linux")]

if (args is [EntryPoint.App, .. var settings]) return await EmailApi.Program.Main(settings);   // a node

// The fault suite: run [--short] [NAME…] [mails=… kills=… seed=…]. The longest first, for the short form.
Scenario[] all =
[
    new Poison(), new PgBouncer(), new Kill(), new RelayMatrix(), new Restored(), new Webhooks(), new Backlog(), new DiskFull(), new LateDot(), new NodeClock(),
    new Rolling(), new CommitLost(), new Postgres(), new LostDot(), new HangfireSchema(), new Partial(), new SameId(), new Connections(), new Away(), new Fair(),
];

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

var isShort = args.Contains("--short");
var given = args.Where(a => a.Contains('=', StringComparison.Ordinal)).Select(a => a.Split('=', 2)).ToDictionary(a => a[0], a => int.TryParse(a[1], CultureInfo.InvariantCulture, out var number) ? number : -1);
var names = args.Where(a => a != "--short" && !a.Contains('=', StringComparison.Ordinal)).ToList();
var chosen = names.Count == 0 ? [.. all] : names.ConvertAll(name => Array.Find(all, s => s.Name == name)!);
var unknown = names.Where(name => all.All(s => s.Name != name)).Concat(given.Where(g => g.Value < 0 || g.Key != "seed" && !chosen.Any(s => s?.Parameters.Any(p => p.Name == g.Key) == true)).Select(g => g.Key)).ToList();
if (unknown.Count > 0)
{
    Console.Error.WriteLine($"There is no {string.Join(", ", unknown)}. What there is (full and short form):");
    foreach (var scenario in all) Console.Error.WriteLine($"  {scenario.Name,-10} {string.Join(' ', scenario.Parameters.Select(p => $"{p.Name}={p.Full}|{p.Short}"))}\n             {scenario.Sentence}");
    return 2;
}

await using var database = new TestDatabase();   // stops the cluster that the scenarios share, if one was started
var failed = 0;
if (isShort && chosen.Count > 1)
{
    // They mostly wait, for leases to die and the like: five at a time, the longest first, each said when it is through.
    await Parallel.ForEachAsync(chosen.Where(s => !s.IsAlone), new ParallelOptions { MaxDegreeOfParallelism = 5 }, async (scenario, _) =>
    {
        var output = new StringWriter();
        await RunAsync(scenario, output);
        await Console.Out.WriteAsync(output.ToString());
    });
    chosen = chosen.FindAll(s => s.IsAlone);
}

foreach (var scenario in chosen) await RunAsync(scenario, Console.Out);
Console.WriteLine($"{failed} failed");
return stop.IsCancellationRequested ? 130 : failed == 0 ? 0 : 1;

async Task RunAsync(Scenario scenario, TextWriter output)
{
    if (stop.IsCancellationRequested) return;
    using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
    limit.CancelAfter(TimeSpan.FromMinutes(isShort ? 8 : 40));
    var run = new Run(scenario, given, isShort, given.TryGetValue("seed", out var seed) ? seed : Random.Shared.Next(1, 1_000_000), output, limit.Token);
    run.Begin();
    try
    {
        await scenario.RunAsync(run);
        run.End();
    }
    catch (Exception error)
    {
        run.End(error);
    }

    if (!run.Holds) Interlocked.Increment(ref failed);
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
