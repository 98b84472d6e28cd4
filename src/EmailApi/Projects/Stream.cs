using EmailApi.Data;
using EmailApi.Tracking;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Projects;

/// <summary>What becomes of a mail of which nobody knows whether the relay took it.</summary>
public enum InDoubtRule
{
    /// <summary>Send once more, at once; in doubt a second time, it is held.</summary>
    Retry,
    /// <summary>Wait for a person.</summary>
    Hold,
    /// <summary>Give up: <c>failed</c>, reason <c>in_doubt</c>.</summary>
    Stop,
}

/// <summary>A class of mail in a project.</summary>
public sealed class Stream : IEntityTypeConfiguration<Stream>
{
    /// <summary>Exists in every project, and is meant when none is named.</summary>
    public const string Transactional = "transactional";

    /// <summary>What streams begin with that say nothing else; by name, as the life of a one-time password is short.</summary>
    public static readonly TimeSpan DefaultLife = TimeSpan.FromHours(48);
    public static readonly TimeSpan OtpLife = TimeSpan.FromMinutes(10);
    public const string Otp = "otp";

    /// <summary>What a stream that is made now keeps unless it says otherwise: content 30 days, facts and events 90.</summary>
    public static readonly TimeSpan DefaultKeepContent = TimeSpan.FromDays(30), DefaultKeepMetadata = TimeSpan.FromDays(90), DefaultKeepEvents = TimeSpan.FromDays(90);

    public int ProjectId { get; init; }
    public required string Name { get; init; }
    /// <summary>Lower goes first; 100 is ordinary.</summary>
    public short Priority { get; set; } = 100;
    /// <summary>How long delivery is tried, from the later of acceptance and <c>send_at</c>.</summary>
    public TimeSpan Life { get; set; } = DefaultLife;
    /// <summary>The waits between tries, the last one repeated; null: the server's own schedule.</summary>
    public TimeSpan[]? Retry { get; set; }
    public InDoubtRule InDoubt { get; set; }
    public bool TrackOpens { get; set; }
    public bool TrackClicks { get; set; }
    /// <summary>Links of text parts too.</summary>
    public bool TrackClicksText { get; set; }
    public bool ReturnReceipt { get; set; }
    public UnsubscribeScope Unsubscribe { get; set; }
    /// <summary>How long content, the mail itself with all that belongs to it, and events with attempts are kept after its last recipient is
    /// final; null: for ever.</summary>
    public TimeSpan? KeepContent { get; set; }
    public TimeSpan? KeepMetadata { get; set; }
    public TimeSpan? KeepEvents { get; set; }

    /// <summary>A stream with what streams begin with.</summary>
    public static Stream New(int projectId, string name) => new()
    {
        ProjectId = projectId,
        Name = name,
        Life = name == Otp ? OtpLife : DefaultLife,
        KeepContent = DefaultKeepContent,
        KeepMetadata = DefaultKeepMetadata,
        KeepEvents = DefaultKeepEvents,
    };

    public void Configure(EntityTypeBuilder<Stream> stream)
    {
        stream.ToTable("streams");
        stream.HasKey(s => new { s.ProjectId, s.Name });
        stream.Property(s => s.InDoubt).AsWord();
        stream.Property(s => s.TrackOpens).HasDefaultValue(false);
        stream.Property(s => s.TrackClicks).HasDefaultValue(false);
        stream.Property(s => s.TrackClicksText).HasDefaultValue(false);
        stream.Property(s => s.ReturnReceipt).HasDefaultValue(false);
        stream.Property(s => s.Unsubscribe).AsWord().HasDefaultValueSql("'none'");
        stream.HasOne<Project>().WithMany().HasForeignKey(s => s.ProjectId);
    }
}
