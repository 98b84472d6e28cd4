using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Events;
using EmailApi.Http;
using EmailApi.Limits;
using EmailApi.Projects;
using FluentValidation;

namespace EmailApi.Emails;

/// <summary>request → validated → checked → stored.</summary>
public static class EmailsSetup
{
    public static void AddEmails(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidator<SendEmailRequest>, SendEmailValidator>();
        builder.Services.AddSingleton<IValidator<RescheduleRequest>, RescheduleValidator>();
        builder.Services.AddSingleton<ContentCodec>();
        builder.Services.AddSingleton<EmailAcceptor>();
        builder.Services.AddSingleton<AcceptMetrics>();
        builder.Services.AddSingleton<AcceptWriter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<AcceptWriter>());
    }

    public static void MapEmails(this WebApplication app)
    {
        var emails = app.MapGroup("/v1/emails").WithTags("Emails");
        emails.MapPost("", SendEmail.HandleAsync).Describe("sendEmail", "Send a mail", Scopes.Send, 400, 409, 413, 415, 422)
            .Accepts<SendEmailRequest>("application/json").Produces<SendEmailResponse>(202).WithMetadata(new IdempotentMetadata(HasLocation: true)).Limited();
        emails.MapPost("batch", SendBatch.HandleAsync).Describe("sendBatch", "Send up to 1,000 mails", Scopes.Send, 400, 409, 413, 415, 422)
            .Accepts<SendBatchRequest>("application/json").Produces<SendBatchResponse>(202).WithMetadata(new IdempotentMetadata(HasLocation: false)).Limited();
        emails.MapRead("", ListEmails.HandleAsync).Describe("listEmails", "The log of what was accepted, newest first", Scopes.Read, 400);
        emails.MapRead("{id}", GetEmail.HandleAsync).Describe("getEmail", "Where a mail stands, recipient by recipient", Scopes.Read, 404);
        emails.MapRead("{id}/events", Timeline.HandleAsync).Describe("listEmailEvents", "What happened to a mail, in order", Scopes.Read, 400, 404);
        emails.MapRead("{id}/attempts", ListAttempts.HandleAsync).Describe("listAttempts", "Every SMTP transaction of a mail", Scopes.Read, 400, 404);
        emails.MapRead("{id}/content", GetContent.HandleAsync).Describe("getContent", "What a mail says", Scopes.Read, 404, 409);
        emails.MapRead("{id}/raw", GetContent.HandleRawAsync).Describe("getRaw", "The message as a relay gets it", Scopes.Read, 404, 409)
            .Produces<byte[]>(200, RawMessage.MediaType);
        emails.MapPatch("{id}", RescheduleEmail.HandleAsync).Describe("rescheduleEmail", "Give a mail another time", Scopes.Send, 400, 404, 409, 413, 415, 422)
            .Accepts<RescheduleRequest>("application/json");
        emails.MapDelete("{id}", EraseEmail.HandleAsync).Describe("eraseEmail", "Erase what a mail said and whom it named", Scopes.Manage, 404, 409).Produces(204);
        emails.MapPost("cancel", CancelEmails.HandleAsync).Describe("cancelEmails", "End what has not left of all mail that a filter finds", Scopes.Manage, 400);
        emails.MapPost("{id}/cancel", CancelEmail.HandleAsync).Describe("cancelEmail", "End what has not left", Scopes.Send, 404, 409);
        emails.MapPost("{id}/retry", RetryEmail.HandleAsync).Describe("retryEmail", "Try again at once", Scopes.Send, 400, 404, 409);
        emails.MapPost("{id}/resolve", ResolveEmail.HandleAsync).Describe("resolveEmail", "Say what became of a mail in doubt", Scopes.Manage, 400, 404, 409, 413, 415, 422)
            .Accepts<ResolveRequest>("application/json");
        app.MapRead("/v1/ledger", Ledger.HandleAsync).WithTags("Ledger")
            .Describe("getLedger", "The proof that accepted = final + waiting", Scopes.Read, 400);
    }
}
