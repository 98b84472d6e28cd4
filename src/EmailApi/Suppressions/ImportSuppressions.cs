using System.Collections.Concurrent;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Npgsql;

namespace EmailApi.Suppressions;

/// <summary>POST /v1/suppressions/import: many addresses at once, as CSV or JSON lines. What comes in is checked line by line and kept on disk until all of it is here, so an
/// upload that breaks off changes nothing, a slow one holds no connection to the database, and none takes memory by its size.</summary>
/// <remarks>Written in steps, each a transaction of its own: one over a million rows would stay open far longer than the feed of events can wait. A database that goes
/// away in between leaves the first steps; the same import again takes the rest. Arrays and not COPY: they need no table beside, and the same statement that adds one adds
/// ten thousand.</remarks>
public sealed class ImportSuppressions(NpgsqlDataSource database, SuppressedProjects known, TimeProvider clock) : IDisposable
{
    public const long MaxBytes = 256_000_000;

    /// <summary>Lines that are named in an answer.</summary>
    public const int MaxErrors = 1000;

    const int Step = 10_000;
    const int MaxUploads = 4;

    readonly ConcurrentDictionary<int, int> uploads = new();
    readonly SemaphoreSlim writing = new(1);   // two at once would take turns at the disk anyway

    public static async Task<ImportResponse> HandleAsync(string? mode, Caller caller, HttpContext http, ImportSuppressions import, EmailDb db, CancellationToken cancel)
    {
        if (mode is not (null or "strict" or "permissive")) throw new ProblemException(ProblemKind.BadRequest, $"mode is strict or permissive; {mode} is neither.");
        caller.DemandWholeProject();
        var streams = await ManageSuppressions.StreamsAsync(db, caller.ProjectId, cancel);
        return await import.RunAsync(http, caller.ProjectId, streams, isPermissive: mode is "permissive", cancel);
    }

    async Task<ImportResponse> RunAsync(HttpContext http, int project, HashSet<string> streams, bool isPermissive, CancellationToken cancel)
    {
        IImportFormat format = MediaType(http.Request) switch
        {
            "text/csv" => new CsvLines(),
            "application/x-ndjson" => new JsonLines(),
            _ => throw new ProblemException(ProblemKind.UnsupportedMediaType, "Send the body as text/csv or application/x-ndjson."),
        };
        if (uploads.AddOrUpdate(project, 1, (_, count) => count + 1) > MaxUploads)
        {
            Leave(project);
            throw new ProblemException(ProblemKind.TooManyImports, $"At most {MaxUploads} imports of a project run at once on a node.") { RetryAfter = 10 };
        }

        try
        {
            using var spool = new ImportSpool();
            var (lines, refused, errors) = await ReadAsync(http, format, streams, spool);
            if (lines == 0) throw Validation.Invalid([new("#", "required", "The import is empty; send one address a line, or CSV whose header names the column email.")]);
            if (refused > 0 && !isPermissive)
                throw new ProblemException(ProblemKind.Validation, $"{refused} of {lines} lines are wrong, and nothing was taken; errors names the first {MaxErrors}.",
                    errors.ConvertAll(e => new FieldError($"#/line/{e.Line}", e.Code, e.Detail)));

            var added = await WriteAsync(spool, project, cancel);
            return new(lines, added, spool.Count - added, refused, errors);
        }
        finally
        {
            Leave(project);
        }
    }

    async Task<(long Lines, long Refused, List<ImportError> Errors)> ReadAsync(HttpContext http, IImportFormat format, HashSet<string> streams, ImportSpool spool)
    {
        var (lines, refused, errors) = (0L, 0L, new List<ImportError>());
        var now = clock.GetUtcNow();
        await ImportBody.ReadAsync(http, MaxBytes, (number, line) =>
        {
            if (line is [] || line.Trim(" \t"u8).IsEmpty) return;
            ImportedLine read;
            SuppressionFault? fault;
            if (line.Length > ImportBody.MaxLineBytes) (read, fault) = (default, new("", "too_long", $"A line has at most {ImportBody.MaxLineBytes} bytes."));
            else if (!format.TryRead(number, line, out read, out fault)) return;   // the header

            lines++;
            fault ??= SuppressionRules.Faults(read.Email, read.Reason, read.Stream, read.ExpiresAt, streams, now).Select(f => (SuppressionFault?)f).FirstOrDefault();
            if (fault is not { } wrong)
            {
                spool.Add(read);
                return;
            }

            refused++;
            if (errors.Count < MaxErrors) errors.Add(new(number, wrong.Code, wrong.Detail));
        });
        return (lines, refused, errors);
    }

    async Task<long> WriteAsync(ImportSpool spool, int project, CancellationToken cancel)
    {
        var added = 0L;
        await writing.WaitAsync(cancel);
        try
        {
            foreach (var step in spool.Read(project).Chunk(Step))
            {
                await using var connection = await database.OpenConnectionAsync(cancel);
                await using var batch = new NpgsqlBatch(connection) { BatchCommands = { SuppressionSql.Add(step)! } };
                await using var reader = await batch.ExecuteReaderAsync(cancel);
                while (await reader.ReadAsync(cancel))
                    if (reader.GetBoolean(0)) added++;
                known.Added(project);
            }
        }
        finally
        {
            writing.Release();
        }

        return added;
    }

    public void Dispose() => writing.Dispose();

    void Leave(int project)
    {
        if (uploads.AddOrUpdate(project, 0, (_, count) => count - 1) == 0) uploads.TryRemove(new(project, 0));
    }

    static string? MediaType(HttpRequest request) =>
        System.Net.Http.Headers.MediaTypeHeaderValue.TryParse(request.ContentType, out var type) ? type.MediaType?.ToLowerInvariant() : null;
}

/// <summary>What an import did.</summary>
/// <param name="Lines">Lines with something on them, the header not counted.</param>
/// <param name="Added">Addresses that were not suppressed before.</param>
/// <param name="Known">Lines whose address was suppressed already, or stood in the import twice; a later end was taken over.</param>
/// <param name="Refused">Lines that are wrong.</param>
/// <param name="Errors">The first 1,000 of those, in English.</param>
public sealed record ImportResponse(long Lines, long Added, long Known, long Refused, IReadOnlyList<ImportError> Errors);

/// <param name="Line">Counted from 1, the header and empty lines too.</param>
/// <param name="Code">A stable word.</param>
/// <param name="Detail">What would be right.</param>
public sealed record ImportError(long Line, string Code, string Detail);
