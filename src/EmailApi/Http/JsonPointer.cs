using System.Text;
using System.Text.Json;

namespace EmailApi.Http;

/// <summary>RFC 6901 pointers, written as URI fragments (§6).</summary>
public static class JsonPointer
{
    const int MaxName = 300;

    /// <summary>Where the serializer, or a converter of ours further in, stopped.</summary>
    public static string Of(JsonException error) => Of(error.Path + (error as JsonPartException)?.At);

    /// <summary>From a path as the serializer writes it: <c>$.to[1].email</c>, <c>$['a b']</c>. Names stay as they stand in the JSON.</summary>
    public static string Of(string? path)
    {
        var pointer = new StringBuilder("#");
        var rest = (path ?? "").AsSpan();
        if (rest.StartsWith("$")) rest = rest[1..];
        while (!rest.IsEmpty)
        {
            if (rest[0] == '.') { rest = rest[1..]; continue; }

            int length;
            ReadOnlySpan<char> name;
            if (rest.StartsWith("['"))
            {
                length = rest.IndexOf("']");
                if (length < 0) { name = rest[2..]; length = rest.Length; }
                else { name = rest[2..length]; length += 2; }
                Append(pointer, name.ToString());
            }
            else if (rest[0] == '[')
            {
                length = rest.IndexOf(']') is var end and > 0 ? end + 1 : rest.Length;
                Append(pointer, rest[1..length].TrimEnd(']').ToString());
            }
            else
            {
                length = rest.IndexOfAny('.', '[') is var end and >= 0 ? end : rest.Length;
                Append(pointer, rest[..length].ToString());
            }

            rest = rest[length..];
        }

        return pointer.ToString();
    }

    /// <summary>A pointer from its parts, which are names as they stand in the JSON, or indexes.</summary>
    public static string Of(params ReadOnlySpan<object> parts)
    {
        var pointer = new StringBuilder("#");
        foreach (var part in parts) Append(pointer, part.ToString()!);
        return pointer.ToString();
    }

    /// <summary>A name as it may stand in an answer: a request's names can be as long as the request.</summary>
    public static string Short(string name) =>
        name.Length <= MaxName ? name : $"{name.AsSpan(0, char.IsHighSurrogate(name[MaxName - 1]) ? MaxName - 1 : MaxName)}…";

    static void Append(StringBuilder pointer, string name) =>
        pointer.Append('/').Append(Uri.EscapeDataString(Short(name).Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)));
}

/// <summary>A converter found something wrong inside the value that it reads, where the serializer does not look.</summary>
/// <param name="at">The path from that value on, e.g. <c>[1].email</c>.</param>
public sealed class JsonPartException(string message, string at) : JsonException(message)
{
    public string At => at;
}
