namespace EmailApi.Relays;

/// <summary>A reply as it came (RFC 5321 §4.2): the code, and the text of each line.</summary>
sealed record WireReply(int Code, IReadOnlyList<string> Lines)
{
    public bool IsYes => Code is >= 200 and < 300;

    /// <summary>The relay says no and the transaction is over, or the connection.</summary>
    public bool IsRefusal => Code is >= 400 and < 600;

    /// <summary>RFC 5321 §3.8: the relay closes the connection.</summary>
    public bool IsClosing => Code == 421;

    public string Text => Lines.Count == 1 ? Lines[0] : string.Join(' ', Lines);

    /// <summary>The EHLO keyword's line; null when it is not offered.</summary>
    public string? Line(string keyword) => Lines.Skip(1).FirstOrDefault(l => l.Split(' ', '=')[0].Equals(keyword, StringComparison.OrdinalIgnoreCase));

    public bool Offers(string keyword) => Line(keyword) is not null;
}
