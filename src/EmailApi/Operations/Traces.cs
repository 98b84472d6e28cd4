using System.Diagnostics;
using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Webhooks;

namespace EmailApi.Operations;

/// <summary>Spans of a mail's way, in the trace of the request that brought it: what the caller's traceparent began (W3C Trace Context) goes on when the mail waits and when it is handed to a relay,
/// be it days later on another node. No addresses and no content; without somebody who collects them they cost nothing.</summary>
public static class Traces
{
    public const string Name = "EmailApi";

    static readonly ActivitySource Source = new(Name);

    /// <summary>What is kept with a mail so that its trace can go on: null when the caller brought none and nobody collects ours.</summary>
    internal static string? Parent() => Activity.Current is { IdFormat: ActivityIdFormat.W3C } now && (now.Recorded || Root(now).ParentId is not null) ? now.Id : null;

    /// <summary>Checked and stored, on the request.</summary>
    internal static Activity? Accept() => Source.StartActivity("accept");

    /// <summary>One transaction with a relay. The time that the mail waited before is a span of its own.</summary>
    internal static Activity? Deliver(ClaimedEmail email, string relay, int recipients)
    {
        if (!Source.HasListeners()) return null;
        ActivityContext.TryParse(email.TraceParent, null, isRemote: true, out var parent);
        if (email.Recipients[0].Attempts == 0)
            using (var queue = Source.StartActivity("queue", ActivityKind.Consumer, parent, startTime: email.Date)) queue?.SetTag("emailapi.email.id", EmailId.Format(email.Id));

        return Source.StartActivity("relay", ActivityKind.Client, parent)?
            .SetTag("emailapi.email.id", EmailId.Format(email.Id)).SetTag("emailapi.relay", relay)
            .SetTag("emailapi.recipients", recipients).SetTag("emailapi.attempt", email.Recipients[0].Attempts + 1);
    }

    /// <summary>One call of a webhook, that tells of an event of the mail.</summary>
    internal static Activity? Call(ToldEvent told)
    {
        if (!Source.HasListeners()) return null;
        ActivityContext.TryParse(told.TraceParent, null, isRemote: true, out var parent);
        return Source.StartActivity("webhook", ActivityKind.Client, parent)?.SetTag("emailapi.event.id", told.Id).SetTag("emailapi.event.type", told.Type);
    }

    internal static void End(this Activity? call, int status) =>
        call?.SetTag("http.response.status_code", status).SetStatus(status is >= 200 and < 300 ? ActivityStatusCode.Ok : ActivityStatusCode.Error);

    /// <summary>No answer came.</summary>
    internal static void Fail(this Activity? call, string reason) => call?.SetTag("error.type", reason).SetStatus(ActivityStatusCode.Error);

    /// <summary>A path that holds an address, as that of a suppression does, is told as the route has it.</summary>
    internal static void WithoutAddress(Activity request, HttpResponse response)
    {
        if (request.GetTagItem("url.path") is string path && Uri.UnescapeDataString(path).Contains('@')) request.SetTag("url.path", request.GetTagItem("http.route") ?? "/v1");
    }

    /// <summary>How the transaction ended, by the first recipient that was not taken.</summary>
    internal static void End(this Activity? delivery, IReadOnlyList<Outcome> outcomes)
    {
        if (delivery is null) return;
        var outcome = outcomes.FirstOrDefault(o => !o.IsTaken) ?? outcomes[0];
        delivery.SetTag("emailapi.step", outcome.Step.Word());
        if (outcome is Outcome.Replied { Reply: { } reply }) delivery.SetTag("smtp.reply.code", reply.Code).SetTag("smtp.reply.enhanced", reply.Enhanced);
        delivery.SetStatus(outcome.IsTaken ? ActivityStatusCode.Ok : ActivityStatusCode.Error, outcome.IsTaken ? null : outcome.GetType().Name);
    }

    static Activity Root(Activity activity)
    {
        while (activity.Parent is { } parent) activity = parent;
        return activity;
    }
}
