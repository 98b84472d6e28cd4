using System.Net.Http.Json;
using System.Text.Json;

namespace EmailApi.Tests.Support;

/// <summary>What the API says of a mail, as short lines to compare: <c>deferred rcpt 451 4.3.2 try later</c>.</summary>
public static class MailFacts
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static Task<JsonElement> MailAsync(this HttpClient http, string id) => http.GetFromJsonAsync<JsonElement>($"/v1/emails/{id}");

    public static async Task<JsonElement> RecipientAsync(this HttpClient http, string id) => (await http.MailAsync(id)).GetProperty("recipients")[0];

    public static async Task<string> StatusAsync(this HttpClient http, string id) => (await http.MailAsync(id)).Text("status");

    /// <summary>Waits until the mail's status is this one.</summary>
    /// <exception cref="TimeoutException">It was not within 30 s.</exception>
    public static async Task WaitForStatusAsync(this HttpClient http, string id, string status, TimeSpan? limit = null)
    {
        var startedAt = TimeProvider.System.GetTimestamp();
        while (await http.StatusAsync(id) is var now && now != status)
        {
            if (TimeProvider.System.GetElapsedTime(startedAt) > (limit ?? Limit))
                throw new TimeoutException($"{id} is {now}, not {status}: {string.Join("; ", await http.AttemptsAsync(id))}.");
            await Task.Delay(30);
        }
    }

    /// <summary>Types of a mail's events without their common beginning, recipient by recipient.</summary>
    public static async Task<string[]> EventsAsync(this HttpClient http, string id) =>
        [.. (await http.ListAsync($"/v1/emails/{id}/events?limit=100")).Select(e => e.Text("type")["email.".Length..])];

    /// <summary>Outcome, step and reply of each attempt.</summary>
    public static async Task<string[]> AttemptsAsync(this HttpClient http, string id) =>
        [.. (await http.ListAsync($"/v1/emails/{id}/attempts?limit=100")).Select(a => $"{a.Text("outcome")} {a.Text("step")} {Reply(a.GetProperty("reply"))}".TrimEnd())];

    /// <summary>Code, enhanced code and text; only the words <c>no reply</c> where there was none.</summary>
    public static string Reply(JsonElement reply) =>
        reply.ValueKind is JsonValueKind.Null || reply.GetProperty("code").ValueKind is JsonValueKind.Null
            ? "no reply"
            : string.Join(' ', new[] { reply.GetProperty("code").GetRawText(), reply.GetProperty("enhanced").GetString(), reply.Text("text") }.Where(part => part is not null));

    /// <summary>How often the relay took this mail.</summary>
    public static IReadOnlyList<RelayedMail> CopiesOf(this FakeRelay relay, string id) =>
        [.. relay.Mails.Where(m => m.MessageId!.Contains(id["em_".Length..], StringComparison.Ordinal))];

    public static async Task AssertBalancedAsync(this HttpClient http, int accepted)
    {
        var ledger = await http.GetFromJsonAsync<JsonElement>("/v1/ledger");
        Assert.True(ledger.GetProperty("balanced").GetBoolean(), ledger.GetRawText());
        Assert.Equal(accepted, ledger.GetProperty("accepted").GetInt32());
    }

    public static async Task<JsonElement[]> ListAsync(this HttpClient http, string path) =>
        [.. (await http.GetFromJsonAsync<JsonElement>(path)).GetProperty("data").EnumerateArray()];

    public static string Text(this JsonElement element, string property) => element.GetProperty(property).GetString() ?? "";
}
