using System.Globalization;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Benchmarks;

/// <summary>How much is measured.</summary>
/// <param name="Mails">Mails in a repetition, or addresses; Postfix gets an eighth, as it takes about as long for those.</param>
/// <param name="Clients">POSTs at once.</param>
/// <param name="Connections">To the relay, at most.</param>
/// <param name="Attachment">Kilobytes of an attachment that each mail has; 0: none.</param>
/// <param name="Requests">With a large attachment, at once.</param>
/// <param name="Queued">Mails that wait meanwhile; 0: that part is left out.</param>
/// <param name="Minutes">How long it goes on.</param>
/// <param name="Folder">Where all the data goes: queue, database, logs.</param>
sealed record Options(int? Mails = null, int Repetitions = 3, int Clients = 32, int Connections = 20, int Attachment = 0,
    int Requests = 50, int Queued = 1_000_000, int Minutes = 30, string? Folder = null)
{
    public static Options Parse(ReadOnlySpan<string> args)
    {
        var options = new Options();
        for (; args is [var name, var value, ..]; args = args[2..])
        {
            options = name switch
            {
                "--mails" => options with { Mails = Number(name, value, 10_000_000) },
                "--repetitions" => options with { Repetitions = Number(name, value, 100) },
                "--clients" => options with { Clients = Number(name, value, 1000) },
                "--connections" => options with { Connections = Number(name, value, 200) },
                "--attachment" => options with { Attachment = Number(name, value, 26_000) },
                "--requests" => options with { Requests = Number(name, value, 1000) },
                "--queued" => options with { Queued = Number(name, value, 10_000_000, least: 0) },
                "--minutes" => options with { Minutes = Number(name, value, 24 * 60) },
                "--folder" => options with { Folder = value },
                _ => throw new CannotRunException($"{name} is no option."),
            };
        }

        return args.IsEmpty ? options : throw new CannotRunException($"{args[0]} needs a value.");
    }

    static int Number(string name, string value, int most, int least = 1) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new CannotRunException($"{name} is {least} to {most}.");
}
