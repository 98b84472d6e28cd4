using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;
using EmailApi.Http;

namespace EmailApi.Suppressions;

/// <summary>What a line of an import says, as it stands there.</summary>
readonly record struct ImportedLine(string? Email, string? Reason, string? Stream, string? ExpiresAt);

interface IImportFormat
{
    /// <returns>False when the line says how to read the others.</returns>
    /// <exception cref="ProblemException">That one is wrong, so no other can be read.</exception>
    bool TryRead(long number, ReadOnlySpan<byte> bytes, out ImportedLine line, out SuppressionFault? fault);
}

/// <summary>RFC 4180 with a header that has the column <c>email</c>, but for line breaks in a field; or one address a line.</summary>
sealed class CsvLines : IImportFormat
{
    static readonly string[] Columns = ["email", "reason", "stream", "expires_at"];

    /// <summary>In an export, and not for an import to say.</summary>
    static readonly string[] Ignored = ["source", "created_at", "email_id"];

    readonly List<string> cells = [];
    int[]? places;
    int width;
    bool hasBegun;

    public bool TryRead(long number, ReadOnlySpan<byte> bytes, out ImportedLine line, out SuppressionFault? fault)
    {
        line = default;
        fault = ImportText.Fault(bytes);
        if (fault is not null) return hasBegun = true;
        var text = Encoding.UTF8.GetString(bytes).Trim();
        if (!hasBegun)
        {
            hasBegun = true;
            if (!text.Contains('@', StringComparison.Ordinal) && Split(text) && cells.Exists(c => IsColumn(c, "email")))
            {
                ReadHeader();
                return false;
            }
        }

        if (places is null)
        {
            // "a b"@example.jp is an address, "taro@example.jp" one in the quotes of CSV.
            line = new(CsvGuard.Open(text is ['"', .., '"'] && Split(text) && cells.Count == 1 ? cells[0].Trim() : text), null, null, null);
            return true;
        }

        if (!Split(text)) fault = new("", "quotes", "A quote is not closed, or stands inside a field without being doubled.");
        else if (cells.Count != width) fault = new("", "columns", $"The header has {width} columns; this line has {cells.Count}.");
        else line = new(Cell(0), Cell(1), Cell(2), Cell(3));
        return true;
    }

    string? Cell(int column) => places![column] is var place and >= 0 && cells[place].Trim() is { Length: > 0 } cell ? CsvGuard.Open(cell) : null;

    void ReadHeader()
    {
        width = cells.Count;
        places = [.. Columns.Select(_ => -1)];
        for (var i = 0; i < cells.Count; i++)
        {
            var column = Array.FindIndex(Columns, c => IsColumn(cells[i], c));
            if (column < 0 && Array.Exists(Ignored, c => IsColumn(cells[i], c))) continue;
            if (column < 0) throw Wrong("unknown_column", $"There is no column {JsonPointer.Short(cells[i])}; there are {string.Join(", ", Columns)}.");
            if (places[column] >= 0) throw Wrong("twice", $"The column {Columns[column]} stands twice.");
            places[column] = i;
        }

        static ProblemException Wrong(string code, string detail) => Validation.Invalid([new("#/line/1", code, detail)]);
    }

    static bool IsColumn(string cell, string column) => cell.Trim().Equals(column, StringComparison.OrdinalIgnoreCase);

    /// <summary>Splits a line into <see cref="cells"/>; false when its quotes are wrong.</summary>
    bool Split(string text)
    {
        cells.Clear();
        for (var i = 0; ; i++)
        {
            if (i < text.Length && text[i] == '"')
            {
                var cell = new StringBuilder();
                for (i++; ; i++)
                {
                    if (i >= text.Length) return false;
                    if (text[i] == '"' && (i + 1 >= text.Length || text[++i] != '"')) break;
                    cell.Append(text[i]);
                }

                if (i < text.Length && text[i] == '"') i++;   // it was the last character
                cells.Add(cell.ToString());
                if (i < text.Length && text[i] != ',') return false;
            }
            else
            {
                var end = text.IndexOf(',', i) is var comma and >= 0 ? comma : text.Length;
                if (text.AsSpan(i, end - i).Contains('"')) return false;
                cells.Add(text[i..end]);
                i = end;
            }

            if (i >= text.Length) return true;
        }
    }
}

/// <summary>One JSON object a line, as an export has them.</summary>
sealed class JsonLines : IImportFormat
{
    public bool TryRead(long number, ReadOnlySpan<byte> bytes, out ImportedLine line, out SuppressionFault? fault)
    {
        line = default;
        fault = ImportText.Fault(bytes);
        if (fault is not null) return true;
        try
        {
            var read = JsonSerializer.Deserialize(bytes, ApiJson.Wire.JsonLine);
            if (read is null) fault = new("", "required", "A line is an object with email.");
            else if (read.Unknown?.Keys.FirstOrDefault() is { } unknown) fault = new(unknown, "unknown_field", $"There is no field {JsonPointer.Short(unknown)}; leave it out.");
            else line = new(read.Email, read.Reason, read.Stream, read.ExpiresAt);
        }
        catch (JsonException error)
        {
            fault = new("", "malformed_json", JsonFault.Of(error).Detail);
        }

        return true;
    }
}

/// <summary>What <c>source</c>, <c>created_at</c> and <c>email_id</c> say in an export is not for an import to say; they are passed over.</summary>
public sealed record JsonLine
{
    public string? Email { get; init; }
    public string? Reason { get; init; }
    public string? Stream { get; init; }
    public string? ExpiresAt { get; init; }
    public JsonElement? Source { get; init; }
    public JsonElement? CreatedAt { get; init; }
    public JsonElement? EmailId { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

static class ImportText
{
    public static SuppressionFault? Fault(ReadOnlySpan<byte> bytes) =>
        Utf8.IsValid(bytes) ? null : new("", "not_utf8", "The line is not UTF-8; a spreadsheet saves it so as CSV UTF-8.");
}
