namespace EmailApi.Bounces;

/// <summary>Groups of fields as in RFC 3464 §2.1, read from a part of that kind or from any text that has them, quoted ones too.</summary>
sealed class StatusFields
{
    const int MaxFields = 40;

    readonly List<(string Name, string Value)> _fields = [];

    /// <summary>The first of these fields that has a value, in the order asked.</summary>
    public string? this[params ReadOnlySpan<string> names]
    {
        get
        {
            foreach (var name in names)
                foreach (var field in _fields)
                    if (field.Name.Equals(name, StringComparison.OrdinalIgnoreCase) && field.Value.Length > 0) return field.Value;
            return null;
        }
    }

    public IEnumerable<string> All(string name) =>
        _fields.Where(f => f.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(f => f.Value);

    public bool SpeaksOfRecipient => this["Final-Recipient", "Original-Recipient", "X-Actual-Recipient"] is not null;

    public bool SaysHow => this["Action", "Status", "Diagnostic-Code"] is not null;

    /// <summary>Empty lines part groups; a field that a group may have once starts the next one where the empty line was lost.</summary>
    public static List<StatusFields> Read(string text)
    {
        var (groups, group) = (new List<StatusFields>(), new StatusFields());
        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            var line = raw.TrimEnd();
            while (line.StartsWith(">")) line = line[1..].StartsWith(" ") ? line[2..] : line[1..];   // quoted in a forwarded report

            if (line.IsWhiteSpace()) group = Next(groups, group);
            else if (line[0] is ' ' or '\t') group.Fold(line.Trim());
            else if (Name(line) is { } name)
            {
                if (IsOnlyOnce(name) && group[name] is not null) group = Next(groups, group);
                group.Add(name, line[(name.Length + 1)..].Trim());
            }
            if (groups.Count > BounceReport.MaxRecipients + 1) break;
        }
        Next(groups, group);
        return groups;
    }

    static StatusFields Next(List<StatusFields> groups, StatusFields group)
    {
        if (group._fields.Count is 0) return group;
        groups.Add(group);
        return new StatusFields();
    }

    void Add(string name, ReadOnlySpan<char> value)
    {
        if (_fields.Count < MaxFields) _fields.Add((name, Cut(value)));
    }

    void Fold(ReadOnlySpan<char> value)
    {
        if (_fields.Count is 0 || _fields[^1].Value.Length > 2 * Diagnostic.MaxLength) return;
        _fields[^1] = (_fields[^1].Name, $"{_fields[^1].Value} {Cut(value)}");
    }

    static string Cut(ReadOnlySpan<char> value) => value[..Math.Min(value.Length, 2 * Diagnostic.MaxLength)].ToString();

    static bool IsOnlyOnce(string name) => name.Equals("Final-Recipient", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Action", StringComparison.OrdinalIgnoreCase) || name.Equals("Status", StringComparison.OrdinalIgnoreCase);

    static string? Name(ReadOnlySpan<char> line)
    {
        var colon = line.IndexOf(':');
        if (colon is <= 0 or > 60) return null;
        foreach (var c in line[..colon])
            if (!char.IsAsciiLetterOrDigit(c) && c is not '-') return null;
        return line[..colon].ToString();
    }
}
