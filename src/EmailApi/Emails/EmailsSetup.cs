using EmailApi.Events;
using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;

namespace EmailApi.Emails;

/// <summary>request → validated → checked → stored.</summary>
public static class EmailsSetup
{
    public static void AddEmails(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IValidator<SendEmailRequest>, SendEmailValidator>();
        builder.Services.AddSingleton<ContentCodec>();
        builder.Services.AddSingleton<ContentReader>();
        builder.Services.AddSingleton<EmailAcceptor>();
        builder.Services.AddSingleton<AcceptMetrics>();
        builder.Services.AddSingleton<AcceptWriter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<AcceptWriter>());
    }

    public static void MapEmails(this WebApplication app)
    {
        var emails = app.MapGroup("/v1/emails").WithTags("Emails");
        emails.MapPost("", SendEmail.HandleAsync).Describe("sendEmail", "Send a mail", Scopes.Send, 400, 409, 413, 415, 422)
            .Accepts<SendEmailRequest>("application/json").Produces<SendEmailResponse>(202).WithMetadata(new IdempotentMetadata(HasLocation: true));
        emails.MapPost("batch", SendBatch.HandleAsync).Describe("sendBatch", "Send up to 1,000 mails", Scopes.Send, 400, 409, 413, 415, 422)
            .Accepts<SendBatchRequest>("application/json").Produces<SendBatchResponse>(202).WithMetadata(new IdempotentMetadata(HasLocation: false));
        emails.MapGet("{id}", GetEmail.HandleAsync).Describe("getEmail", "Where a mail stands, recipient by recipient", Scopes.Read, 404);
        emails.MapGet("{id}/events", Timeline.HandleAsync).Describe("listEmailEvents", "What happened to a mail, in order", Scopes.Read, 400, 404);
        emails.MapGet("{id}/attempts", Attempts.HandleAsync).Describe("listAttempts", "Every SMTP transaction of a mail", Scopes.Read, 400, 404);
        emails.MapGet("{id}/content", GetContent.HandleAsync).Describe("getContent", "What a mail says", Scopes.Read, 404, 409);
        emails.MapGet("{id}/raw", GetContent.HandleRawAsync).Describe("getRaw", "The message as a relay gets it", Scopes.Read, 404, 409)
            .Produces<byte[]>(200, RawMessage.MediaType);
        app.MapGet("/v1/ledger", Ledger.HandleAsync).WithTags("Ledger")
            .Describe("getLedger", "The proof that accepted = final + waiting", Scopes.Read, 400);
    }
}
