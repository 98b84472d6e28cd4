using System.Text.Json;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Pauses;

/// <summary>By what the mail of a pause is told.</summary>
public enum PauseBy
{
    Project,
    Stream,
    Key,
    Tag,
    Relay,
}

/// <summary>An emergency stop. While the row stands and is not resumed, no claim takes what it matches; mail that is open already is walked over in
/// steps, held, and after the resume released again. The row goes with the last step of the release, so that a crash in between leaves it to go on.</summary>
public sealed class Pause : IEntityTypeConfiguration<Pause>
{
    /// <summary>Why a recipient is held.</summary>
    public const string Reason = "paused";

    public long Id { get; init; }
    /// <summary>Null for a relay: it takes mail of all projects.</summary>
    public int? ProjectId { get; init; }
    public PauseBy By { get; init; }
    /// <summary>The stream's, relay's or tag's name (a tag as <c>name:value</c> or <c>name</c>), or the id of the key or project.</summary>
    public required string Value { get; init; }
    /// <summary>Why, in the words of who paused, and after the resume of who resumed.</summary>
    public string? Note { get; init; }
    /// <summary>The id of the key that paused it.</summary>
    public required string PausedBy { get; init; }
    public DateTimeOffset PausedAt { get; init; }
    /// <summary>Set while what it held is being released.</summary>
    public DateTimeOffset? ResumedAt { get; init; }
    /// <summary>The email up to which the queue has been walked over; null: all of it.</summary>
    public Guid? WalkedTo { get; init; }
    public int WalkedN { get; init; }

    /// <summary>The words for a sentence: <c>the pause of stream invoice</c>.</summary>
    internal string Name => $"the pause of {By.Word()} {Value}";

    /// <summary>What resumes it.</summary>
    internal string Json => $"{{\"{By.Word()}\": {JsonSerializer.Serialize(Value, ApiJson.Wire.String)}}}";

    public void Configure(EntityTypeBuilder<Pause> pause)
    {
        pause.ToTable("pauses");
        pause.Property(p => p.By).AsWord();
        pause.Property(p => p.PausedAt).HasDefaultValueSql("now()");
        pause.HasIndex(p => new { p.ProjectId, p.By, p.Value }).IsUnique().AreNullsDistinct(false);
        pause.HasOne<Project>().WithMany().HasForeignKey(p => p.ProjectId).OnDelete(DeleteBehavior.Cascade);
    }
}
