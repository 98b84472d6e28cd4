using System.Globalization;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Restore;
using Npgsql;

namespace EmailApi.Admin;

/// <summary><c>EmailApi restore status</c>, <c>release</c> and <c>hold</c>: what is held in a restored database, its release, and a hold by hand where
/// nothing tells that a database was restored.</summary>
static class RestoreCommand
{
    public static Task<int> StatusAsync(string[] args) => RunAsync("restore status", args, options: [], (connection, row, _) => SayStatusAsync(connection, row));

    public static Task<int> HoldAsync(string[] args) => RunAsync("restore hold", args, options: [], async (connection, row, _) =>
    {
        if (row is null) await EpochSql.BeginAsync(connection, await DatabaseIdentity.ReadAsync(connection, CancellationToken.None), CancellationToken.None);
        if (row?.HeldAt is null) await EpochSql.HoldAsync(connection, HoldReason.ByHand, CancellationToken.None);
        await SayStatusAsync(connection, await EpochSql.ReadAsync(connection, toChange: false, CancellationToken.None));
    });

    public static Task<int> ReleaseAsync(string[] args) => RunAsync("restore release", args, options: ["--open"], async (connection, row, line) =>
    {
        var word = line["--open"] ?? OpenRule.InDoubt.Word();
        if (!Words.TryParse<OpenRule>(word, out var rule)) throw new StartRefusedException($"--open: {word} is not one of {string.Join(", ", Words.All<OpenRule>())}.");
        if (row?.HeldAt is not { } heldAt)
        {
            Console.WriteLine("Nothing is held; there is nothing to release.");
            return;
        }

        var changed = await OpenMail.SettleAsync(connection, heldAt, rule, CancellationToken.None);
        var now = await DatabaseIdentity.ReadAsync(connection, CancellationToken.None);
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await EpochSql.ReleaseAsync(connection, now, CancellationToken.None);
            await transaction.CommitAsync();
        }

        Console.WriteLine(rule switch
        {
            OpenRule.InDoubt => $"Released; nodes go on within seconds. {Recipients(changed)} that may have left after the backup: held in doubt. GET /v1/emails?status=held lists them; POST /v1/emails/{{id}}/retry sends one, POST …/resolve says what became of it.",
            OpenRule.Cancel => $"Released; nodes go on within seconds. {Recipients(changed)} that may have left after the backup: canceled.",
            _ => "Released; nodes go on within seconds. Mail that was open in the backup goes out, also what left after the backup was made.",
        });
    });

    static async Task<int> RunAsync(string command, string[] args, string[] options, Func<NpgsqlConnection, EpochRow?, CommandLine, Task> run)
    {
        var line = CommandLine.Parse(command, args, options, flags: []);
        var builder = CommandHost.Create(line.Settings);
        await using var database = await CommandDatabase.OpenAsync(builder.Configuration, builder.AddSettings());
        try
        {
            await using var connection = await database.Source.OpenConnectionAsync();
            await run(connection, await EpochSql.ReadAsync(connection, toChange: false, CancellationToken.None), line);
            return 0;
        }
        catch (Exception away) when (away is not StartRefusedException && DatabaseTrouble.IsUnavailable(away))
        {
            throw new StartRefusedException($"The database cannot be used ({away.GetBaseException().Message.ReplaceLineEndings(" ")}): `EmailApi doctor` says what is wrong.", away);
        }
        catch (PostgresException refused)
        {
            throw new StartRefusedException($"PostgreSQL refused ({refused.SqlState}): {refused.MessageText}.", refused);
        }
    }

    static async Task SayStatusAsync(NpgsqlConnection connection, EpochRow? row)
    {
        if (row?.HeldAt is not { } heldAt)
        {
            Console.WriteLine(row is null ? "Not held: no node has started on this database yet." : $"Not held: mail has left this database since {At(row.Since)}, whatever was restored before.");
            return;
        }

        var (before, after) = await OpenMail.CountAsync(connection, heldAt, CancellationToken.None);
        Console.WriteLine($"""
            Held since {At(heldAt)}: {row.HeldFor.Sentence()}.
            {Recipients(before)} of the backup that may have left after it was made; `EmailApi restore release` holds them in doubt, --open send sends them, --open cancel ends them.
            {Recipients(after)} accepted since; they leave with the release.
            """);
    }

    static string At(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + " UTC";

    static string Recipients(long count) => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "recipient" : "recipients")}");
}
