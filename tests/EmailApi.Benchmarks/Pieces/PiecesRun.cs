using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Benchmarks.Pieces;

/// <summary>The pieces of a mail's way, each alone: time and allocation. Short jobs in this process: BenchmarkDotNet's own projects would not build under this repository's locked
/// versions.</summary>
static class PiecesRun
{
    const int Iterations = 10;
    /// <summary>What takes rows away gets them anew before each iteration.</summary>
    const int Claims = 32;

    /// <summary>Where the pieces may put data.</summary>
    public static WorkFolder Folder { get; private set; } = null!;

    /// <returns>The exit code: 1 when a piece failed.</returns>
    public static async Task<int> RunAsync(Options options, CancellationToken cancel)
    {
        using var folder = Folder = new WorkFolder(options.Folder);
        var isWell = await Task.Run(() => Run(typeof(ValidatePiece), Job.ShortRun) & Run(typeof(ComposePiece), Job.ShortRun)
            & Run(typeof(QueuePieces), new Job().WithStrategy(BenchmarkDotNet.Engines.RunStrategy.Monitoring).WithInvocationCount(Claims).WithUnrollFactor(1).WithWarmupCount(2).WithIterationCount(Iterations)), cancel).WaitAsync(cancel);
        return isWell ? 0 : 1;
    }

    /// <summary>Claims before it needs new rows.</summary>
    public static int ClaimsPerIteration => Claims;

    static bool Run(Type pieces, Job job)
    {
        var config = ManualConfig.CreateEmpty().AddJob(job.WithToolchain(InProcessEmitToolchain.Instance)).AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance).WithArtifactsPath(Folder["pieces"]).AddLogger(new LogCapture());
        var summary = BenchmarkRunner.Run(pieces, config);
        MarkdownExporter.Console.ExportToLog(summary, ConsoleLogger.Default);
        var isWell = !summary.HasCriticalValidationErrors && summary.Reports.All(r => r.Success);
        if (!isWell) Console.WriteLine(string.Join('\n', summary.ValidationErrors.Select(e => e.Message)));
        return isWell;
    }
}
