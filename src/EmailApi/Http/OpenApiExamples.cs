using System.Text.Json.Nodes;

namespace EmailApi.Http;

/// <summary>A request and an answer of the operations that a newcomer tries, and a problem document for each status: what Swagger UI shows and
/// what "Try it out" sends. Tests send the requests.</summary>
static class OpenApiExamples
{
    const string Id = "em_019ac3f1e2a07d3b9c4e5f60718293a4";

    static readonly string Accepted = $$"""{ "id": "{{Id}}", "status": "queued", "recipients": [{ "id": "{{Id}}_1", "email": "taro@example.jp", "status": "queued" }], "findings": [] }""";

    static readonly string Email = $$"""
        {
          "id": "{{Id}}", "status": "sent", "from": "Shop <orders@shop.example>", "subject": "Your order 4711", "stream": "transactional",
          "tags": { "order": "4711" }, "metadata": {}, "created_at": "2026-12-01T00:00:00+00:00", "send_at": null, "expires_at": "2026-12-03T00:00:00+00:00",
          "message_id": "<019ac3f1e2a07d3b9c4e5f60718293a4@shop.example>", "findings": [],
          "recipients": [{
            "id": "{{Id}}_1", "email": "taro@example.jp", "kind": "to", "status": "sent", "attempts": 1, "due_at": null,
            "last_reply": { "code": 250, "enhanced": "2.0.0", "text": "Ok: queued as 4F1B2" }, "reason": null, "relay": "main"
          }]
        }
        """;

    const string Numbers = """
        "counts": { "accepted": 1000, "approved": 0, "bounced": 10, "bounced_late": 3, "canceled": 0, "clicked": 0, "clicked_first": 0, "clicked_human": 0, "clicked_human_first": 0, "complained": 1, "deferred": 25, "delivered": 0, "expired": 0, "failed": 0, "held": 0, "in_doubt": 0, "opened": 0, "opened_first": 0, "opened_human": 0, "opened_human_first": 0, "read_receipt": 0, "rejected": 0, "released": 0, "retried": 0, "scheduled": 0, "sent": 990, "suppressed": 0, "unsubscribed": 0 },
        "rates": { "deferral": 0.0244, "bounce": 0.01, "complaint": 0.001, "open": 0, "human_open": 0, "click": 0, "human_click": 0 },
        "time_to_relay": { "p50": 24.2, "p95": 152.1, "p99": 61003.7 }
        """;

    const string Suppression = """
        { "email": "taro@example.jp", "reason": "complaint", "stream": null, "source": "manual", "created_at": "2026-12-01T00:00:00+00:00", "expires_at": "2027-11-30T15:00:00+00:00", "email_id": null }
        """;

    const string WebhookId = "wh_019ac3f1e2a07d3b9c4e5f60718293a4";

    const string Webhook = $$"""
        {
          "id": "{{WebhookId}}", "url": "https://shop.example/hooks/email", "events": ["email.*"], "streams": [], "tags": {}, "description": "Orders", "enabled": true,
          "failing_since": null, "disabled_at": null, "disabled_reason": null, "disabled_note": null, "created_at": "2026-12-01T00:00:00+00:00"
        }
        """;

    const string NewSecret = $$"""
        {
          "id": "{{WebhookId}}", "url": "https://shop.example/hooks/email", "events": ["email.*"], "streams": [], "tags": {}, "description": "Orders", "enabled": true,
          "failing_since": null, "disabled_at": null, "disabled_reason": null, "disabled_note": null, "created_at": "2026-12-01T00:00:00+00:00",
          "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
        }
        """;

    const string Delivery = $$"""
        {
          "id": "call_019ac3f1e2a07d3b9c4e5f60718293a5", "event_id": "ev_019ac3f1e2a07d3b9c4e5f60718293a4_1_2", "type": "email.sent", "at": "2026-12-01T00:00:02+00:00", "attempt": 1,
          "outcome": "succeeded", "url": "https://shop.example/hooks/email",
          "request": { "headers": { "webhook-id": "ev_019ac3f1e2a07d3b9c4e5f60718293a4_1_2", "webhook-timestamp": "1796083202" }, "body": "{\"type\":\"email.sent\"}" },
          "response": { "status": 200, "body": "ok" }, "duration_ms": 31, "error": null, "next_attempt_at": null
        }
        """;

    /// <summary>Bodies that are no JSON, by operation and media type.</summary>
    static readonly Dictionary<string, string> Bodies = new(StringComparer.Ordinal)
    {
        ["importSuppressions text/csv"] = "email,reason,stream,expires_at\r\ntaro@example.jp,complaint,,\r\nhanako@example.jp,manual,transactional,2027-12-01T00:00:00+09:00\r\n",
        ["importSuppressions application/x-ndjson"] = "{\"email\": \"taro@example.jp\", \"reason\": \"complaint\"}\n{\"email\": \"hanako@example.jp\", \"stream\": \"transactional\"}\n",
        ["takeBounce message/rfc822"] = """
            From: MAILER-DAEMON@mx.example.jp
            To: orders@shop.example
            Subject: Undelivered Mail Returned to Sender
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status; boundary="b"

            --b
            Content-Type: message/delivery-status

            Reporting-MTA: dns; mx.example.jp

            Final-Recipient: rfc822; taro@example.jp
            Action: failed
            Status: 5.1.1
            Diagnostic-Code: smtp; 550 5.1.1 No such user

            --b--
            """.ReplaceLineEndings("\r\n"),
    };

    static readonly Dictionary<string, string> Requests = new(StringComparer.Ordinal)
    {
        ["sendEmail"] = """{ "from": "Shop <orders@shop.example>", "to": ["taro@example.jp"], "subject": "Your order 4711", "text": "It is on its way.", "tags": { "order": "4711" } }""",
        ["sendBatch"] = """
            [
              { "from": "Shop <orders@shop.example>", "to": "taro@example.jp", "subject": "Your order 4711", "text": "It is on its way." },
              { "from": "Shop <orders@shop.example>", "to": "hanako@example.jp", "subject": "Your order 4712", "text": "It is on its way." }
            ]
            """,
        ["rescheduleEmail"] = """{ "send_at": "2026-12-01T09:00:00+09:00", "expires_at": "2026-12-02T09:00:00+09:00" }""",
        ["resolveEmail"] = """{ "as": "sent" }""",
        ["createKey"] = """{ "name": "shop", "scopes": ["send", "read"], "senders": ["shop.example"] }""",
        ["createStream"] = """{ "name": "otp", "priority": 1, "life": "PT10M", "in_doubt": "stop" }""",
        ["changeStream"] = """{ "life": "PT5M", "retry": ["PT10S", "PT30S"] }""",
        ["createProject"] = """{ "name": "shop" }""",
        ["pause"] = """{ "stream": "transactional", "reason": "wrong prices in the template" }""",
        ["resume"] = """{ "stream": "transactional" }""",
        ["addSuppression"] = """{ "email": "taro@example.jp", "reason": "complaint", "expires_at": "2027-12-01T00:00:00+09:00" }""",
        ["createWebhook"] = """{ "url": "https://shop.example/hooks/email", "events": ["email.*"], "description": "Orders" }""",
        ["changeWebhook"] = """{ "events": ["email.bounced", "email.complained"], "enabled": true }""",
        ["replayWebhook"] = """{ "from": "2026-12-01T00:00:00+09:00", "to": "2026-12-02T00:00:00+09:00" }""",
        ["changeKey"] = """{ "rate_limit": { "per_second": 50, "burst": 100 } }""",
        ["changeProject"] = """{ "rate_limit": { "per_second": 500, "burst": 1000 }, "quota": { "per_day": 100000, "per_month": 2000000 } }""",
    };

    static readonly Dictionary<string, string> Answers = new(StringComparer.Ordinal)
    {
        ["sendEmail"] = Accepted,
        ["sendBatch"] = $$"""{ "data": [{ "index": 0, "id": "{{Id}}", "status": "queued" }] }""",
        ["listEmails"] = $$"""
            {
              "data": [{
                "id": "{{Id}}", "status": "sent", "from": "Shop <orders@shop.example>", "subject": "Your order 4711", "stream": "transactional", "key": "k7f3x9q2m4w8",
                "tags": { "order": "4711" }, "created_at": "2026-12-01T00:00:00+00:00", "send_at": null, "expires_at": "2026-12-03T00:00:00+00:00",
                "recipients": ["taro@example.jp"], "recipient_count": 1
              }],
              "next_cursor": null
            }
            """,
        ["getEmail"] = Email,
        ["rescheduleEmail"] = Email,
        ["cancelEmail"] = Email,
        ["retryEmail"] = Email,
        ["resolveEmail"] = Email,
        ["cancelEmails"] = """{ "emails": 2, "recipients": 3 }""",
        ["getUsage"] = """
            {
              "from": "2026-12-01", "to": "2026-12-02", "emails": 3, "recipients": 4, "bytes": 6144,
              "data": [{ "date": "2026-12-01", "emails": 2, "recipients": 3, "bytes": 4096 }, { "date": "2026-12-02", "emails": 1, "recipients": 1, "bytes": 2048 }],
              "rate_limit": { "per_second": 500, "burst": 1000 },
              "quota": { "per_day": { "limit": 100000, "used": 1, "remaining": 99999, "resets_at": "2026-12-03T00:00:00+00:00" }, "per_month": null }
            }
            """,
        ["getStats"] = $$"""
            {
              "from": "2026-12-01T00:00:00+00:00", "to": "2026-12-02T00:00:00+00:00", "interval": "day", "by": "time", "as_of": "2026-12-02T08:00:00+00:00",
              "oldest_waiting_seconds": 0.4, "truncated": false, "total": { {{Numbers}} },
              "data": [{ "at": "2026-12-01T00:00:00+00:00", "value": null, {{Numbers}} }]
            }
            """,
        ["takeBounce"] = $$"""
            {
              "kind": "bounce",
              "recipients": [{ "email": "taro@example.jp", "type": "permanent", "status": "5.1.1", "reply_code": 550, "reason": "unknown_user", "diagnostic": "550 5.1.1 No such user" }],
              "matched": { "email_id": "{{Id}}", "recipient": "taro@example.jp" }
            }
            """,
        ["addSuppression"] = Suppression,
        ["listSuppressions"] = $$"""{ "data": [{{Suppression}}], "next_cursor": null }""",
        ["getSuppressions"] = $$"""{ "data": [{{Suppression}}], "next_cursor": null }""",
        ["importSuppressions"] = """{ "lines": 3, "added": 1, "known": 1, "refused": 1, "errors": [{ "line": 4, "code": "invalid_address", "detail": "An address has the form name@example.jp; the @ is missing." }] }""",
        ["createWebhook"] = NewSecret,
        ["getWebhook"] = Webhook,
        ["changeWebhook"] = Webhook,
        ["listWebhooks"] = $$"""{ "data": [{{Webhook}}], "next_cursor": null }""",
        ["rotateWebhookSecret"] = NewSecret,
        ["testWebhook"] = Delivery,
        ["listWebhookDeliveries"] = $$"""{ "data": [{{Delivery}}], "next_cursor": null }""",
        ["replayWebhook"] = """{ "queued": 12 }""",
        ["listEvents"] = $$"""
            {
              "data": [{ "id": "{{Id}}_1_2", "type": "email.sent", "at": "2026-12-01T00:00:01+00:00", "email_id": "{{Id}}", "recipient": "taro@example.jp", "sequence": 2 }],
              "next_cursor": "NzQxLjI"
            }
            """,
    };

    public static JsonNode? Request(string operationId) => Parse(Requests, operationId);

    public static JsonNode? Lines(string operationId, string mediaType) => Bodies.TryGetValue($"{operationId} {mediaType}", out var lines) ? JsonValue.Create(lines) : null;

    public static JsonNode? Answer(string operationId) => Parse(Answers, operationId);

    public static JsonNode Problem(ProblemKind kind) => JsonNode.Parse($$"""
        { "type": "urn:emailapi:problem:{{kind.Code}}", "code": "{{kind.Code}}", "title": "{{kind.Title}}", "status": {{kind.Status}}, "detail": null, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736" }
        """)!;

    static JsonNode? Parse(Dictionary<string, string> examples, string operationId) => examples.TryGetValue(operationId, out var json) ? JsonNode.Parse(json) : null;
}
