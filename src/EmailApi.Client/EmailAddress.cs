using System.Text.Json;
using System.Text.Json.Serialization;

namespace EmailApi.Client;

/// <summary>An address with the name shown beside it. A string stands for one: <c>"Shop &lt;orders@shop.example&gt;"</c> or
/// <c>"orders@shop.example"</c>; the server reads it.</summary>
/// <param name="Email">The address; without a <paramref name="Name"/> also the whole text <c>Name &lt;address&gt;</c>.</param>
/// <param name="Name">The name shown; any characters but line breaks, nothing needs quoting.</param>
[JsonConverter(typeof(EmailAddressConverter))]
public sealed record EmailAddress(string Email, string? Name = null)
{
    public static implicit operator EmailAddress(string text) => new(text);

    public override string ToString() => Name is null ? Email : $"{Name} <{Email}>";
}

sealed class EmailAddressConverter : JsonConverter<EmailAddress>
{
    public override EmailAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType is JsonTokenType.String) return new(reader.GetString()!);
        if (reader.TokenType is not JsonTokenType.StartObject) throw new JsonException("An address is a string or an object.");
        string? email = null, name = null;
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var property = reader.GetString();
            reader.Read();
            if (property is "email") email = reader.GetString();
            else if (property is "name") name = reader.GetString();
            else reader.Skip();
        }

        return new(email ?? throw new JsonException("An address has an email."), name);
    }

    public override void Write(Utf8JsonWriter writer, EmailAddress value, JsonSerializerOptions options)
    {
        // As a string it is the server that parses it: one grammar for every client.
        if (value.Name is null) { writer.WriteStringValue(value.Email); return; }
        writer.WriteStartObject();
        writer.WriteString("email", value.Email);
        writer.WriteString("name", value.Name);
        writer.WriteEndObject();
    }
}
