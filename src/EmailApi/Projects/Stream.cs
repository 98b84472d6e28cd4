using EmailApi.Data;
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

    public int ProjectId { get; init; }
    public required string Name { get; init; }
    /// <summary>Lower goes first; 100 is ordinary.</summary>
    public short Priority { get; init; } = 100;
    /// <summary>How long delivery is tried, from the later of acceptance and <c>send_at</c>.</summary>
    public TimeSpan Life { get; init; } = TimeSpan.FromHours(48);
    public InDoubtRule InDoubt { get; init; }

    public void Configure(EntityTypeBuilder<Stream> stream)
    {
        stream.ToTable("streams");
        stream.HasKey(s => new { s.ProjectId, s.Name });
        stream.Property(s => s.InDoubt).AsWord();
        stream.HasOne<Project>().WithMany().HasForeignKey(s => s.ProjectId);
    }
}
