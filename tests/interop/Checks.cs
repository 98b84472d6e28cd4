using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>Runs checks one after the other and prints a line for each.</summary>
sealed class Checks(CancellationToken cancel)
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    public CancellationToken Cancel { get; } = cancel;
    public int Passed { get; private set; }
    public int Failed { get; private set; }

    public async Task CheckAsync(string name, Func<Task> check)
    {
        try
        {
            await check().WaitAsync(Limit, Cancel);
            Passed++;
            Console.WriteLine($"ok   {name}");
        }
        catch (Exception e) when (e is not OperationCanceledException || !Cancel.IsCancellationRequested)
        {
            Failed++;
            Console.WriteLine($"FAIL {name}: {(e is CheckFailedException or CannotRunException ? e.Message : e.ToString())}");
        }
    }

    public static void Equal<T>(T expected, T actual, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual)) throw new CheckFailedException($"{what} is {Shown(actual)}; expected {Shown(expected)}.");
    }

    public static void True(bool claim, string otherwise)
    {
        if (!claim) throw new CheckFailedException(otherwise);
    }

    static string Shown<T>(T value) => value?.ToString() is { } text ? text.Length > 200 ? $"{text[..200]}… ({text.Length})" : text : "null";
}

/// <summary>What was seen is not what must be.</summary>
sealed class CheckFailedException(string message) : Exception(message);
