using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using EmailApi.Benchmarks;
using EmailApi.Benchmarks.Pieces;
using EmailApi.Benchmarks.Servers;

[assembly: SupportedOSPlatform("linux")]

// Ends what it has started on Ctrl-C and SIGTERM too: each is disposed on the way out.
using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    var options = Options.Parse(args.AsSpan(Math.Min(1, args.Length)));
    return args switch
    {
        ["postfix", ..] => await new BesidePostfix(options, Beside.Postfix, stop.Token).RunAsync(),
        ["webhook", ..] => await new BesidePostfix(options, Beside.PostfixWithWebhook, stop.Token).RunAsync(),
        ["alone", ..] => await new BesidePostfix(options, Beside.Nothing, stop.Token).RunAsync(),
        ["latency", ..] => await new Latency(options, stop.Token).RunAsync(),
        ["log", ..] => await new Log(options, stop.Token).RunAsync(),
        ["suppressions", ..] => await new Suppressions(options, stop.Token).RunAsync(),
        ["memory", ..] => await new LargeMails(options, stop.Token).RunAsync(),
        ["nodes", ..] => await new Nodes(options, stop.Token).RunAsync(),
        ["growth", ..] => await new Growth(options, stop.Token).RunAsync(),
        ["soak", ..] => await new Soak(options, stop.Token).RunAsync(),
        ["pieces", ..] => await PiecesRun.RunAsync(options, stop.Token),
        _ => throw new CannotRunException("""
            Say what to measure:
              postfix       throughput beside Postfix, then one mail at a time, and what a mail costs
              webhook       the same while a webhook is told of every event
              alone         the same without Postfix; says what the database did
              latency       one mail at a time on an idle server
              log           GET /v1/emails with a million mails
              suppressions  a million imported
              memory        --requests 50 of 25 MB at once
              nodes         several nodes on one database beside one node
              growth        --mails 5000000 stored and --queued 1000000 waiting mails beside an empty database
              soak          half of what the node can do for --minutes 30: memory and tables
              pieces        validate, compose, claim and record alone, by BenchmarkDotNet
            """),
    };
}
catch (CannotRunException trouble)
{
    Console.Error.WriteLine(trouble.Message);
    return 2;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.Error.WriteLine("Stopped.");
    return 130;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
