using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Capture;

/// <summary>A message that the capture relay took instead of the world.</summary>
public sealed class CapturedEmail : IEntityTypeConfiguration<CapturedEmail>
{
    public Guid Id { get; init; }
    public int ProjectId { get; init; }
    /// <summary>The email it came from; null when another program on this machine handed it in.</summary>
    public Guid? EmailId { get; init; }
    /// <summary>MAIL FROM (RFC 5321 §4.1.1.2), possibly empty.</summary>
    public required string ReversePath { get; init; }
    /// <summary>RCPT TO.</summary>
    public required string[] Recipients { get; init; }
    public required string Subject { get; init; }
    public required byte[] Raw { get; init; }
    public DateTimeOffset ReceivedAt { get; init; }

    public void Configure(EntityTypeBuilder<CapturedEmail> captured)
    {
        captured.ToTable("captured");
        captured.Property(c => c.Id).ValueGeneratedNever();
        captured.Property(c => c.ReceivedAt).HasDefaultValueSql("now()");
        captured.HasIndex(c => new { c.ProjectId, c.Id });
    }
}
