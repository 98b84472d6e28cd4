using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Http;

namespace EmailApi.Emails;

/// <summary>An address as a request gives it: <c>"Name &lt;addr&gt;"</c>, <c>"addr"</c>, or an object with email and name.</summary>
[JsonConverter(typeof(AddressInputConverter))]
public sealed record AddressInput(string? Text, string? Email = null, string? Name = null, IReadOnlyList<string>? Unknown = null)
{
    /// <summary>Whether it was an object.</summary>
    public bool IsObject => Text is null;
}

/// <summary>One or more addresses: a list, or a single string or object where a list is expected.</summary>
[JsonConverter(typeof(AddressListInputConverter))]
public sealed record AddressListInput(IReadOnlyList<AddressInput> Items, bool IsSingle);

sealed class AddressInputConverter : JsonConverter<AddressInput>
{
    public override AddressInput Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) => Read(ref reader, "");

    /// <param name="at">Where the address stands in the value that is read, for <see cref="JsonPartException"/>.</param>
    public static AddressInput Read(ref Utf8JsonReader reader, string at)
    {
        if (reader.TokenType is JsonTokenType.String) return new(reader.GetString());
        if (reader.TokenType is not JsonTokenType.StartObject)
            throw new JsonPartException("An address is a string or an object with email and name.", at);

        string? email = null, name = null;
        List<string>? unknown = null;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var property = reader.GetString()!;
            if (!seen.Add(property)) throw new JsonPartException("The property stands twice in an address.", $"{at}['{property}']");
            reader.Read();
            switch (property)
            {
                case "email" when reader.TokenType is JsonTokenType.String: email = reader.GetString(); break;
                case "name" when reader.TokenType is JsonTokenType.String or JsonTokenType.Null: name = reader.GetString(); break;
                case "email" or "name": throw new JsonPartException($"The {property} of an address is a string.", $"{at}.{property}");
                default: (unknown ??= []).Add(property); reader.Skip(); break;
            }
        }

        return new(null, email, name, unknown);
    }

    public override void Write(Utf8JsonWriter writer, AddressInput value, JsonSerializerOptions options)
    {
        if (!value.IsObject) { writer.WriteStringValue(value.Text); return; }
        writer.WriteStartObject();
        writer.WriteString("email", value.Email);
        if (value.Name is not null) writer.WriteString("name", value.Name);
        writer.WriteEndObject();
    }
}

sealed class AddressListInputConverter : JsonConverter<AddressListInput>
{
    static readonly AddressInputConverter One = new();

    public override AddressListInput Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
    {
        if (reader.TokenType is not JsonTokenType.StartArray) return new([AddressInputConverter.Read(ref reader, "")], IsSingle: true);

        var items = new List<AddressInput>();
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray) items.Add(AddressInputConverter.Read(ref reader, $"[{items.Count}]"));
        return new(items, IsSingle: false);
    }

    public override void Write(Utf8JsonWriter writer, AddressListInput value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var item in value.Items) One.Write(writer, item, options);
        writer.WriteEndArray();
    }
}

/// <summary>Bytes given as base64 (RFC 4648 §4). Wrong base64 is kept as null for the validator to name.</summary>
[JsonConverter(typeof(Base64InputConverter))]
public sealed record Base64Input(byte[]? Bytes);

sealed class Base64InputConverter : JsonConverter<Base64Input>
{
    public override Base64Input Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
    {
        if (reader.TokenType is not JsonTokenType.String) throw new JsonException("The content of an attachment is a base64 string.");
        if (!reader.HasValueSequence && !reader.ValueIsEscaped && Decode(reader.ValueSpan) is { } decoded) return new(decoded);
        return new(reader.TryGetBytesFromBase64(out var bytes) ? bytes : null);
    }

    /// <summary>Into memory of just its size; the reader would rent as much again.</summary>
    static byte[]? Decode(ReadOnlySpan<byte> base64)
    {
        if (!Base64.IsValid(base64, out var length)) return null;
        var bytes = GC.AllocateUninitializedArray<byte>(length);
        return Base64.DecodeFromUtf8(base64, bytes, out _, out var written) is OperationStatus.Done && written == length ? bytes : null;
    }

    public override void Write(Utf8JsonWriter writer, Base64Input value, JsonSerializerOptions options) => writer.WriteBase64StringValue(value.Bytes);
}
