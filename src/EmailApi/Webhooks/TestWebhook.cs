using EmailApi.Data;
using EmailApi.Projects;

namespace EmailApi.Webhooks;

/// <summary>POST /v1/webhooks/{id}/test: one call with an event of type <c>webhook.test</c>, now, also while the webhook is off. It is kept with the others, and neither retried nor counted.</summary>
public static class TestWebhook
{
    public const string Type = "webhook.test";

    public static async Task<DeliveryResponse> HandleAsync(
        string id, Caller caller, WebhookCaller calls, WebhookSecrets secrets, EngineDatabase database, EmailDb db, TimeProvider clock, CancellationToken cancel)
    {
        caller.DemandWholeProject();
        var webhook = await ManageWebhooks.FindAsync(id, caller, db, cancel);
        var now = clock.GetUtcNow();
        var signing = secrets.Open(webhook.Secret, webhook.PreviousUntil > now ? webhook.PreviousSecret : null, now);
        var told = new ToldEvent(Guid.CreateVersion7(now), 0, 1, Type, now, $$"""{"webhook":"{{Webhook.Format(webhook.Id)}}"}""", null, null, null, null);

        var answer = await calls.CallAsync(webhook.Url, signing, told, cancel);
        var made = new MadeCall(Guid.CreateVersion7(clock.GetUtcNow()), webhook.Id, caller.ProjectId, null, 1, webhook.Url, told, answer, clock.GetTimestamp(), answer.IsSuccess ? CallOutcome.Succeeded : CallOutcome.GivenUp, null);
        await WebhookRecordSql.WriteAsync(database.Source, [made], clock, CancellationToken.None);
        return DeliveryResponse.Of(await db.WebhookCalls.FindAsync([made.Id], cancel) ?? throw new InvalidOperationException("The call was not kept."));
    }
}
