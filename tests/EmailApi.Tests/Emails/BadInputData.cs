using System.Globalization;

namespace EmailApi.Tests.Emails;

/// <summary>Fields with wrong values, and what is said of each: pointer and code.</summary>
public static class BadInputData
{
    public static TheoryData<string, string, string, string> Values => new()
    {
        { "colour", "1", "#/colour", "unknown_field" },
        { "Subject", "\"x\"", "#/Subject", "unknown_field" },
        { "replyTo", "\"a@example.jp\"", "#/replyTo", "unknown_field" },
        { "a/b~c", "1", "#/a~1b~0c", "unknown_field" },
        { "色", "1", "#/%E8%89%B2", "unknown_field" },
        { "from", """{"email":"a@example.jp","nick":"x"}""", "#/from/nick", "unknown_field" },
        { "to", """{"email":"a@example.jp","nick":"x"}""", "#/to/nick", "unknown_field" },
        { "to", """["b@example.jp",{"email":"a@example.jp","nick":{"a":[1]}}]""", "#/to/1/nick", "unknown_field" },
        { "attachments", """[{"filename":"a","content":"","size":1}]""", "#/attachments/0/size", "unknown_field" },
        { "template", """{"id":"x"}""", "#/template", "not_supported" },
        { "to", "[]", "#/to", "required" },
        { "to", "\"\"", "#/to", "invalid_address" },
        { "to", "{}", "#/to/email", "invalid_address" },
        { "to", """{"name":"Taro"}""", "#/to/email", "invalid_address" },
        { "to", "\"nobody\"", "#/to", "invalid_address" },
        { "to", """["taro@example.jp","nobody"]""", "#/to/1", "invalid_address" },
        { "to", """["taro@example.jp",{"email":"nobody"}]""", "#/to/1/email", "invalid_address" },
        { "to", "\"a@example.jp, b@example.jp\"", "#/to", "invalid_address" },
        { "to", "\"taro@localhost\"", "#/to", "invalid_address" },
        { "to", "\"taro@192.0.2.1\"", "#/to", "invalid_address" },
        { "to", "\"taro..yamada@example.jp\"", "#/to", "invalid_address" },
        { "to", "\"taro@exa mple.jp\"", "#/to", "invalid_address" },
        { "to", $"\"{new string('a', 65)}@example.jp\"", "#/to", "invalid_address" },
        { "to", $"\"taro@{string.Join('.', Enumerable.Repeat(new string('a', 60), 5))}.jp\"", "#/to", "invalid_address" },
        { "from", "\"Shop <orders@shop.example\"", "#/from", "invalid_address" },
        { "cc", "[\"x\"]", "#/cc/0", "invalid_address" },
        { "bcc", "[\"x\"]", "#/bcc/0", "invalid_address" },
        { "reply_to", "[\"x\"]", "#/reply_to/0", "invalid_address" },
        { "from", $$"""{"email":"a@example.jp","name":"{{new string('a', 257)}}"}""", "#/from/name", "invalid" },
        { "from", """{"email":"a@example.jp","name":"\u202egpj.exe"}""", "#/from/name", "invalid" },
        { "subject", $"\"{new string('a', 999)}\"", "#/subject", "too_long" },
        { "headers", $$"""{"{{new string('X', 77)}}":"a"}""", $"#/headers/{new string('X', 77)}", "invalid_header" },
        { "headers", $$"""{"X-A":"{{new string('a', 999)}}"}""", "#/headers/X-A", "invalid_header" },
        { "headers", """{"X-A":null}""", "#/headers/X-A", "required" },
        { "headers", """{"":"a"}""", "#/headers/", "invalid_header" },
        { "headers", """{"X A":"a"}""", "#/headers/X%20A", "invalid_header" },
        { "headers", """{"X:A":"a"}""", "#/headers/X%3AA", "invalid_header" },
        { "headers", """{"顧客":"a"}""", "#/headers/%E9%A1%A7%E5%AE%A2", "invalid_header" },
        { "headers", $"{{{string.Join(',', Enumerable.Range(0, 70).Select(i => $"\"X-{i}\":\"{new string('a', 950)}\""))}}}", "#/headers", "too_long" },
        { "attachments", "[null]", "#/attachments/0", "required" },
        { "attachments", """[{"content":"YQ=="}]""", "#/attachments/0/filename", "required" },
        { "attachments", """[{"filename":" ","content":"YQ=="}]""", "#/attachments/0/filename", "required" },
        { "attachments", """[{"filename":"a.txt"}]""", "#/attachments/0/content", "required" },
        { "attachments", """[{"filename":"a.txt","content":null}]""", "#/attachments/0/content", "required" },
        { "attachments", """[{"filename":"a.txt","content":"not base64!"}]""", "#/attachments/0/content", "invalid_base64" },
        { "attachments", """[{"filename":"a.txt","content":"YQ"}]""", "#/attachments/0/content", "invalid_base64" },
        { "attachments", """[{"filename":"a.txt","content":"Y\u0000=="}]""", "#/attachments/0/content", "invalid_base64" },
        { "attachments", """[{"filename":"a.txt","content":"_-A="}]""", "#/attachments/0/content", "invalid_base64" },
        { "attachments", """[{"filename":"a","content":"YQ==","content_type":"pdf"}]""", "#/attachments/0/content_type", "invalid" },
        { "attachments", """[{"filename":"a","content":"YQ==","content_type":""}]""", "#/attachments/0/content_type", "invalid" },
        { "attachments", """[{"filename":"a","content":"YQ==","content_id":""}]""", "#/attachments/0/content_id", "invalid" },
        { "attachments", """[{"filename":"a","content":"YQ==","content_id":"<a>"}]""", "#/attachments/0/content_id", "invalid" },
        { "attachments", """[{"filename":"a","content":"YQ==","content_id":"x"},{"filename":"b","content":"YQ==","content_id":"x"}]""", "#/attachments/1/content_id", "duplicate" },
        { "attachments", $"[{string.Join(',', Enumerable.Repeat("""{"filename":"a","content":"YQ=="}""", 101))}]", "#/attachments", "too_many" },
        { "stream", "\"nope\"", "#/stream", "unknown_stream" },
        { "stream", "\"Transactional\"", "#/stream", "unknown_stream" },
        { "stream", "\"\"", "#/stream", "required" },
        { "envelope", "\"Shared\"", "#/envelope", "unknown_value" },
        { "envelope", "\"\"", "#/envelope", "unknown_value" },
        { "tags", """{"":"a"}""", "#/tags/", "invalid" },
        { "tags", """{"a":null}""", "#/tags/a", "invalid" },
        { "tags", $$"""{"a":"{{new string('a', 257)}}"}""", "#/tags/a", "invalid" },
        { "tags", $"{{{string.Join(',', Enumerable.Range(0, 51).Select(i => $"\"t{i}\":\"\""))}}}", "#/tags", "too_many" },
        { "metadata", "[]", "#/metadata", "invalid" },
        { "metadata", "\"x\"", "#/metadata", "invalid" },
        { "metadata", """{"a":["half \ud83d pair"]}""", "#/metadata", "invalid" },
        { "send_at", $"\"{Time(TimeSpan.FromMinutes(-6))}\"", "#/send_at", "in_the_past" },
        { "send_at", "\"0001-01-01T00:00:00Z\"", "#/send_at", "in_the_past" },
        { "send_at", $"\"{Time(TimeSpan.FromDays(5 * 365))}\"", "#/send_at", "too_far" },
        { "send_at", "\"9999-12-31T23:59:59Z\"", "#/send_at", "too_far" },
        { "send_at", "\"9999-12-31T23:59:59-14:00\"", "#/send_at", "invalid_time" },
        { "send_at", "\"2026-12-01T09:00:00\"", "#/send_at", "invalid_time" },
        { "send_at", "\"2026-12-01\"", "#/send_at", "invalid_time" },
        { "send_at", "\"2026-02-30T09:00:00Z\"", "#/send_at", "invalid_time" },
        { "send_at", "\"tomorrow\"", "#/send_at", "invalid_time" },
        { "send_at", "\"\"", "#/send_at", "invalid_time" },
        { "expires_at", "\"2026-12-01T09:00:00\"", "#/expires_at", "invalid_time" },
        { "expires_at", $"\"{Time(TimeSpan.FromSeconds(-1))}\"", "#/expires_at", "in_the_past" },
        { "expires_at", "\"9999-12-31T23:59:59Z\"", "#/expires_at", "too_far" },
    };

    /// <summary>What could end a line of a header or a command, and what the database cannot keep, at every place that takes text.</summary>
    public static TheoryData<string, string, string, string> ControlCharacters
    {
        get
        {
            var data = new TheoryData<string, string, string, string>();
            foreach (var bad in new[] { @"\u0000", @"\r\nBcc: evil@example.com", @"\n", @"\r", @"\u0085", @"\u2028", @"\u007f" })
            {
                data.Add("from", $"\"Shop{bad} <orders@shop.example>\"", "#/from", "invalid_address");
                data.Add("from", $$"""{"email":"orders{{bad}}@shop.example"}""", "#/from/email", "invalid_address");
                data.Add("from", $$"""{"email":"orders@shop.example","name":"Shop{{bad}}"}""", "#/from/name", "invalid");
                data.Add("to", $"[\"taro@example.jp{bad}\"]", "#/to/0", "invalid_address");
                data.Add("cc", $"\"taro{bad}@example.jp\"", "#/cc", "invalid_address");
                data.Add("bcc", $"\"\\\"taro{bad}\\\"@example.jp\"", "#/bcc", "invalid_address");
                data.Add("reply_to", $"\"taro@exam{bad}ple.jp\"", "#/reply_to", "invalid_address");
                data.Add("subject", $"\"Hello{bad}\"", "#/subject", "invalid");
                data.Add("headers", $$"""{"X-Order":"47{{bad}}11"}""", "#/headers/X-Order", "invalid_header");
                data.Add("headers", $$"""{"X-Order{{bad}}":"4711"}""", $"#/headers/X-Order{Escaped(bad)}", "invalid_header");
                data.Add("attachments", $$"""[{"filename":"a{{bad}}.txt","content":"YQ=="}]""", "#/attachments/0/filename", "invalid");
                data.Add("attachments", $$"""[{"filename":"a.txt","content":"YQ==","content_type":"text/plain{{bad}}"}]""", "#/attachments/0/content_type", "invalid");
                data.Add("attachments", $$"""[{"filename":"a.txt","content":"YQ==","content_id":"logo{{bad}}"}]""", "#/attachments/0/content_id", "invalid");
                data.Add("tags", $$"""{"order":"47{{bad}}11"}""", "#/tags/order", "invalid");
                data.Add("tags", $$"""{"order{{bad}}":"4711"}""", $"#/tags/order{Escaped(bad)}", "invalid");
                data.Add("stream", $"\"transactional{bad}\"", "#/stream", "unknown_stream");
                data.Add("envelope", $"\"shared{bad}\"", "#/envelope", "unknown_value");
                data.Add("send_at", $"\"2026-12-01T09:00:00Z{bad}\"", "#/send_at", "invalid_time");
                data.Add($"colour{bad}", "1", $"#/colour{Escaped(bad)}", "unknown_field");
            }

            data.Add("text", @"""a\u0000b""", "#/text", "invalid");
            data.Add("html", @"""a\u0000b""", "#/html", "invalid");
            data.Add("metadata", """{"a":{"b":["x\u0000"]}}""", "#/metadata", "invalid");
            data.Add("metadata", """{"a\u0000":1}""", "#/metadata", "invalid");
            return data;
        }
    }

    static string Escaped(string json) => Uri.EscapeDataString(System.Text.Json.JsonSerializer.Deserialize<string>($"\"{json}\"")!);

    static string Time(TimeSpan fromNow) => DateTimeOffset.UtcNow.Add(fromNow).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
