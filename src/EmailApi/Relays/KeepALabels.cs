using MimeKit.Encodings;

namespace EmailApi.Relays;

/// <summary>Encodes domains as ever, and decodes none: as the library would have it, a header in UTF-8 names another spelling of the domain than the envelope and <c>/raw</c>.</summary>
sealed class KeepALabels : IPunycode
{
    readonly Punycode idn = new();

    public string Encode(string unicode) => idn.Encode(unicode);

    public string Encode(string unicode, int index) => idn.Encode(unicode, index);

    public string Encode(string unicode, int index, int count) => idn.Encode(unicode, index, count);

    public string Decode(string ascii) => ascii;

    public string Decode(string ascii, int index) => ascii[index..];

    public string Decode(string ascii, int index, int count) => ascii.Substring(index, count);
}
