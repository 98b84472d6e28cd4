using EmailApi.Capture;
using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Limits;
using EmailApi.Pauses;
using EmailApi.Projects;
using EmailApi.Statistics;
using EmailApi.Suppressions;
using EmailApi.Webhooks;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Stream = EmailApi.Projects.Stream;

namespace EmailApi.Data;

/// <summary>The unit of work over everything we keep. The two hot paths (accept, claim and record) speak SQL of their own over the same tables.</summary>
public sealed class EmailDb(DbContextOptions<EmailDb> options) : DbContext(options), IDataProtectionKeyContext
{
    public DbSet<Project> Projects => Set<Project>();
    public DbSet<Stream> Streams => Set<Stream>();
    public DbSet<ApiKey> ApiKeys => Set<ApiKey>();
    public DbSet<Email> Emails => Set<Email>();
    public DbSet<Recipient> Recipients => Set<Recipient>();
    public DbSet<StoredContent> Contents => Set<StoredContent>();
    public DbSet<Blob> Blobs => Set<Blob>();
    public DbSet<IdempotencyKey> IdempotencyKeys => Set<IdempotencyKey>();
    public DbSet<QueuedRecipient> Queue => Set<QueuedRecipient>();
    public DbSet<Attempt> Attempts => Set<Attempt>();
    public DbSet<Pause> Pauses => Set<Pause>();
    public DbSet<Suppression> Suppressions => Set<Suppression>();
    public DbSet<RecipientEvent> Events => Set<RecipientEvent>();
    public DbSet<CapturedEmail> Captured => Set<CapturedEmail>();
    public DbSet<Webhook> Webhooks => Set<Webhook>();
    public DbSet<WebhookFeed> WebhookFeeds => Set<WebhookFeed>();
    public DbSet<QueuedCall> WebhookQueue => Set<QueuedCall>();
    public DbSet<WebhookCall> WebhookCalls => Set<WebhookCall>();
    public DbSet<Usage> Usage => Set<Usage>();
    public DbSet<Stat> Stats => Set<Stat>();
    public DbSet<StatCursor> StatCursors => Set<StatCursor>();
    public DbSet<RateBucket> RateBuckets => Set<RateBucket>();
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <summary>The database's clock, in queries.</summary>
    public static DateTimeOffset Now() => throw new InvalidOperationException("Only in queries.");

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.HasDbFunction(() => Now()).HasName("now").IsBuiltIn();
        model.HasSequence<long>("event_ordinal");
        model.Entity<DataProtectionKey>().ToTable("data_protection_keys");
        model.ApplyConfigurationsFromAssembly(typeof(EmailDb).Assembly);
    }

    /// <summary>The one way to set up a context, for the app, the migrations program and the design-time tool alike.</summary>
    public static DbContextOptionsBuilder Configure(DbContextOptionsBuilder options, Action<DbContextOptionsBuilder> useNpgsql)
    {
        useNpgsql(options);
        return options.UseSnakeCaseNamingConvention()
            .ReplaceService<Microsoft.EntityFrameworkCore.Migrations.IMigrationsSqlGenerator, PartitionedTables>();
    }
}
