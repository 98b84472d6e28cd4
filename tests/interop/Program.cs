using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using EmailApi.Benchmarks.Servers;
using EmailApi.Interop;

[assembly: SupportedOSPlatform("linux")]

// Against other people's software: smtp-sink, smtp-source, Postfix, Dovecot, swaks, verifiers of webhooks, and bare sockets as an attacker uses them.
using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    var checks = new Checks(stop.Token);
    using var folder = new WorkFolder();
    await using var database = await Database.StartAsync(folder, stop.Token);

    await SinkChecks.RunAsync(checks, folder, database);
    await MailboxChecks.RunAsync(checks, folder, database);
    await BounceChecks.RunAsync(checks, folder, database);
    await TlsChecks.RunAsync(checks, folder, database);
    await CaptureChecks.RunAsync(checks, folder, database);
    await WebhookChecks.RunAsync(checks, folder, database);

    Console.WriteLine($"{checks.Passed} ok, {checks.Failed} failed");
    return checks.Failed == 0 ? 0 : 1;
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
