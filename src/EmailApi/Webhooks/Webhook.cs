using System.Text.Json;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Webhooks;

/// <summary>Why a webhook is switched off.</summary>
public enum WebhookOff
{
    /// <summary>By somebody with a key.</summary>
    ByHand,
    /// <summary>It answered 410.</summary>
    Gone,
    /// <summary>No call succeeded for <see cref="WebhookRetry.OffAfter"/>.</summary>
    Failing,
}

/// <summary>An endpoint of a project's own that is told of events.</summary>
public sealed class Webhook : IEntityTypeConfiguration<Webhook>
{
    public const int MaxPerProject = 100;
    public const int MaxUrlLength = 2048;
    public const int MaxDescriptionLength = 500;

    public Guid Id { get; init; }
    public int ProjectId { get; init; }
    public required string Url { get; set; }
    public string Description { get; set; } = "";
    /// <summary>Types, and patterns such as <c>email.*</c> and <c>*</c>.</summary>
    public required string[] Events { get; set; }
    /// <summary>Null: mail of all streams.</summary>
    public string[]? Streams { get; set; }
    /// <summary>A JSON object of tags that a mail must have, all of them; null: any mail.</summary>
    public string? Tags { get; set; }
    /// <summary>Encrypted under the key ring.</summary>
    public required byte[] Secret { get; set; }
    /// <summary>Those that were replaced, see <see cref="WebhookSecrets.Replace"/>, encrypted too; they sign beside the other, the last one until <see cref="PreviousUntil"/>.</summary>
    public byte[]? PreviousSecret { get; set; }
    public DateTimeOffset? PreviousUntil { get; set; }
    /// <summary>The transaction that made it: of events, only those of later ones are its own.</summary>
    public ulong Since { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    /// <summary>The first failure since the last success.</summary>
    public DateTimeOffset? FailingSince { get; set; }
    public DateTimeOffset? DisabledAt { get; set; }
    public WebhookOff? DisabledReason { get; set; }
    /// <summary>What the last call met with.</summary>
    public string? DisabledNote { get; set; }

    public bool IsEnabled => DisabledAt is null;

    public static string Format(Guid id) => $"wh_{id:n}";

    public static bool TryParse(string id, out Guid guid)
    {
        guid = default;
        return id is { Length: 35 } && id.StartsWith("wh_", StringComparison.Ordinal) && !id.AsSpan(3).ContainsAnyInRange('A', 'F') && Guid.TryParseExact(id.AsSpan(3), "n", out guid);
    }

    internal IReadOnlyDictionary<string, string> TagsByName => Tags is null ? new Dictionary<string, string>() : JsonSerializer.Deserialize(Tags, ApiJson.Wire.DictionaryStringString)!;

    public void Configure(EntityTypeBuilder<Webhook> webhook)
    {
        webhook.ToTable("webhooks", table => table.HasCheckConstraint("ck_webhooks_disabled", "(disabled_at is null) = (disabled_reason is null)"));
        webhook.Property(w => w.Id).ValueGeneratedNever();
        webhook.Property(w => w.Url).HasMaxLength(MaxUrlLength);
        webhook.Property(w => w.Description).HasMaxLength(MaxDescriptionLength);
        webhook.Property(w => w.Tags).HasColumnType("jsonb");
        webhook.Property(w => w.Since).HasColumnType("xid8").HasDefaultValueSql("pg_current_xact_id()");
        webhook.Property(w => w.CreatedAt).HasDefaultValueSql("now()");
        webhook.Property(w => w.DisabledReason).HasConversion(new EnumWords()).HasMaxLength(16);
        webhook.Ignore(w => w.TagsByName);
        webhook.Ignore(w => w.IsEnabled);
        webhook.HasIndex(w => new { w.ProjectId, w.Id });
        webhook.HasOne<Project>().WithMany().HasForeignKey(w => w.ProjectId).OnDelete(DeleteBehavior.Cascade);
    }

    sealed class EnumWords() : Microsoft.EntityFrameworkCore.Storage.ValueConversion.ValueConverter<WebhookOff, string>(
        reason => Words.Word(reason), word => Words.Parse<WebhookOff>(word));
}

/// <summary>How far the events of a project have been handed out to its webhooks. The row is the lock of whoever does it.</summary>
public sealed class WebhookFeed : IEntityTypeConfiguration<WebhookFeed>
{
    public int ProjectId { get; init; }
    /// <summary>With <see cref="Ordinal"/> the last event's place in the feed, see <see cref="Events.EventFeed"/>.</summary>
    public ulong Transaction { get; init; }
    public long Ordinal { get; init; }

    public void Configure(EntityTypeBuilder<WebhookFeed> feed)
    {
        feed.ToTable("webhook_feeds");
        feed.HasKey(f => f.ProjectId);
        feed.Property(f => f.ProjectId).ValueGeneratedNever();
        feed.Property(f => f.Transaction).HasColumnType("xid8").HasDefaultValueSql("pg_current_xact_id()");
        feed.Property(f => f.Ordinal).HasDefaultValue(0L);
        feed.HasOne<Project>().WithMany().HasForeignKey(f => f.ProjectId).OnDelete(DeleteBehavior.Cascade);
    }
}

/// <summary>An event that a webhook is still to be told, or was told in vain. What was told is no longer here.</summary>
/// <remarks>No foreign keys: the feed must not look up each event's webhook, and retention not each event's rows. What has lost its event or webhook is passed over and cleared away.</remarks>
public sealed class QueuedCall : IEntityTypeConfiguration<QueuedCall>
{
    public Guid WebhookId { get; init; }
    public Guid EmailId { get; init; }
    public int N { get; init; }
    public int Sequence { get; init; }
    public int ProjectId { get; init; }
    /// <summary>When it is called; while it is being called, when the lease ends; infinity once it was given up.</summary>
    public DateTimeOffset DueAt { get; init; }
    /// <summary>Calls made.</summary>
    public int Attempts { get; init; }
    /// <summary>Who is calling.</summary>
    public Guid? LeaseToken { get; init; }
    /// <summary>When it was given up.</summary>
    public DateTimeOffset? FailedAt { get; init; }

    public void Configure(EntityTypeBuilder<QueuedCall> call)
    {
        call.ToTable("webhook_queue");
        call.HasKey(q => new { q.WebhookId, q.EmailId, q.N, q.Sequence });
        call.Property(q => q.DueAt).HasDefaultValueSql("now()");
        call.Property(q => q.Attempts).HasDefaultValue(0);
        call.HasIndex(q => new { q.WebhookId, q.DueAt });
        call.HasIndex(q => q.FailedAt).HasFilter("failed_at is not null");
    }
}

/// <summary>How a call ended.</summary>
public enum CallOutcome
{
    /// <summary>Answered with 2xx.</summary>
    Succeeded,
    /// <summary>It is made again.</summary>
    Failed,
    /// <summary>It was the last one; a replay makes it again.</summary>
    GivenUp,
}

/// <summary>A call that was made, kept for <see cref="KeptFor"/>.</summary>
public sealed class WebhookCall : IEntityTypeConfiguration<WebhookCall>
{
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(30);

    public const string Table = "webhook_calls";

    public Guid Id { get; init; }
    public Guid WebhookId { get; init; }
    public int ProjectId { get; init; }
    /// <summary>The email that the event is about; null for a test.</summary>
    public Guid? EmailId { get; init; }
    /// <summary>The <c>webhook-id</c>.</summary>
    public required string EventId { get; init; }
    public required string Type { get; init; }
    /// <summary>Counts from 1; again after a replay.</summary>
    public int Attempt { get; init; }
    public DateTimeOffset At { get; init; }
    public int DurationMs { get; init; }
    public required string Url { get; init; }
    /// <summary>The <c>webhook-timestamp</c>: Unix seconds.</summary>
    public long Timestamp { get; init; }
    /// <summary>The body; null once its mail was erased.</summary>
    public string? Request { get; init; }
    /// <summary>Null: no answer came.</summary>
    public int? Status { get; init; }
    /// <summary>The first 4 KB of the body.</summary>
    public string? Answer { get; init; }
    public string? Error { get; init; }
    public CallOutcome Outcome { get; init; }
    /// <summary>When it is made again.</summary>
    public DateTimeOffset? NextAt { get; init; }

    public static string Format(Guid id) => $"call_{id:n}";

    public void Configure(EntityTypeBuilder<WebhookCall> call)
    {
        call.ToTable(Table);
        call.PartitionedBy(c => c.Id);
        call.Property(c => c.Id).ValueGeneratedNever();
        call.Property(c => c.Type).HasMaxLength(40);
        call.Property(c => c.EventId).HasMaxLength(80);
        call.Property(c => c.Url).HasMaxLength(Webhook.MaxUrlLength);
        call.Property(c => c.Outcome).AsWord();
        call.HasIndex(c => new { c.WebhookId, c.Id });
        call.HasIndex(c => c.EmailId);
    }
}
