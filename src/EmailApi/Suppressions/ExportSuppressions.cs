using System.Globalization;
using System.Text;
using System.Text.Json;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Suppressions;

/// <summary>GET /v1/suppressions/export: all that hold, the oldest first, in a form that the import takes. Read in steps, so that no transaction stays open while a client
/// reads slowly; what is added meanwhile comes at the end.</summary>
public static class ExportSuppressions
{
    const int Step = 5000;
    const string Header = "email,reason,stream,expires_at,source,created_at,email_id\r\n";

    public static async Task HandleAsync(string? format, Caller caller, HttpContext http, EmailDb db, CancellationToken cancel)
    {
        if (format is not (null or "csv" or "ndjson")) throw new ProblemException(ProblemKind.BadRequest, $"format is csv or ndjson; {JsonPointer.Short(format)} is neither.");
        var isCsv = format is not "ndjson";
        var rows = await ReadAsync(db, caller, 0, cancel);   // before the answer begins, so that it can still say no
        http.Response.ContentType = isCsv ? "text/csv; charset=utf-8" : "application/x-ndjson";
        http.Response.Headers.ContentDisposition = $"attachment; filename=suppressions.{(isCsv ? "csv" : "ndjson")}";
        http.Response.Headers.CacheControl = "no-store";
        if (isCsv) await http.Response.WriteAsync(Header, cancel);
        while (rows.Count > 0)
        {
            var text = new StringBuilder();
            foreach (var row in rows.Select(SuppressionResponse.Of))
                if (isCsv) AddCsv(text, row);
                else text.Append(JsonSerializer.Serialize(row, ApiJson.Wire.SuppressionResponse)).Append('\n');
            await http.Response.WriteAsync(text.ToString(), cancel);
            rows = rows.Count < Step ? [] : await ReadAsync(db, caller, rows[^1].Id, cancel);
        }
    }

    static async Task<List<Suppression>> ReadAsync(EmailDb db, Caller caller, long after, CancellationToken cancel)
    {
        await using var reading = await db.ReadAsAsync(caller, cancel);
        return await ManageSuppressions.Holding(db, caller.ProjectId).Where(s => s.Id > after).OrderBy(s => s.Id).Take(Step).ToListAsync(cancel);
    }

    static void AddCsv(StringBuilder text, SuppressionResponse row) => text.AppendJoin(',',
        CsvGuard.Close(row.Email), row.Reason, row.Stream, Time(row.ExpiresAt), row.Source, Time(row.CreatedAt), row.EmailId).Append("\r\n");

    static string Time(DateTimeOffset? at) => at?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFK", CultureInfo.InvariantCulture) ?? "";
}
