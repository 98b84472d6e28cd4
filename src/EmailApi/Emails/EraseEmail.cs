using EmailApi.Data;
using EmailApi.Projects;
using EmailApi.Webhooks;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Emails;

/// <summary>DELETE /v1/emails/{id}: erases what a mail said and whom it named. That it was, and what became of it, stays for the ledger.</summary>
public static class EraseEmail
{
    /// <summary>Stands where an address stood.</summary>
    public const string Erased = "erased";

    public static async Task<IResult> HandleAsync(string id, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var email = await db.FindOwnAsync(id, caller, cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        // Locks what a claim or a retry would need, so that nothing opens again meanwhile.
        await db.Database.ExecuteSqlAsync($"select from recipients where email_id = {email.Id} order by n for update", cancel);
        if (await db.Queue.AnyAsync(q => q.EmailId == email.Id, cancel))
            throw await db.WrongStateAsync(email.Id, "only a mail whose recipients are all final can be erased; cancel it first", cancel);

        // A call that is being recorded was recorded before, or sees that the mail is erased.
        await db.Database.ExecuteSqlRawAsync(WebhookRecordSql.WaitForRecords, cancel);
        await db.Database.ExecuteSqlAsync($"""
            delete from contents where email_id = {email.Id};
            delete from blob_uses where email_id = {email.Id};
            delete from captured where email_id = {email.Id} and project_id = {email.ProjectId};
            delete from idempotency_keys where project_id = {email.ProjectId} and email_id = {email.Id};
            update emails set from_address = {Erased}, from_name = null, subject = null, tags = null, metadata = null where id = {email.Id};
            update recipients set address = {Erased}, address_key = null, name = null, reply_text = left(reply_text, 0) where email_id = {email.Id};
            update attempts set reply_text = left(reply_text, 0), conversation = null where email_id = {email.Id};
            update webhook_calls set request = null, answer = null where email_id = {email.Id};
            update events set data = jsonb_set(data, array['reply', 'text'], to_jsonb(''::text)) where email_id = {email.Id} and data -> 'reply' is not null;
            update events set data = data - array['ip', 'url', 'user_agent_family'] where email_id = {email.Id} and type in ('email.opened', 'email.clicked')
            """, cancel);
        await transaction.CommitAsync(cancel);
        return Results.NoContent();
    }
}
