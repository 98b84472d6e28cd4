using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Statistics;

/// <summary>How often something happened in an hour or a day of UTC, by one of the things that statistics are asked by. Made of the events alone, see <see cref="RollUp"/>.</summary>
public sealed class Stat : IEntityTypeConfiguration<Stat>
{
    public int ProjectId { get; init; }
    public required string By { get; init; }
    /// <summary><c>hour</c> or <c>day</c>: everything is counted in both, so that long ranges stay quick.</summary>
    public required string Span { get; init; }
    public DateTimeOffset At { get; init; }
    /// <summary>The stream, recipient domain, relay or <c>tag:value</c>; empty: by time alone, or all of them together.</summary>
    public required string Value { get; init; }
    /// <summary>The event's type without <c>email.</c>, or one of the measures of <see cref="RollUp"/>.</summary>
    public required string Measure { get; init; }
    /// <summary>Of <c>time_to_relay</c>: see <see cref="TimeToRelay"/>; else 0.</summary>
    public short Bucket { get; init; }
    public long Count { get; init; }

    public void Configure(EntityTypeBuilder<Stat> stat)
    {
        stat.ToTable("stats");
        stat.HasKey(s => new { s.ProjectId, s.By, s.Span, s.At, s.Value, s.Measure, s.Bucket });
        stat.HasIndex(s => new { s.ProjectId, s.By, s.Span, s.Value, s.At, s.Measure, s.Bucket }).IncludeProperties(s => s.Count).HasDatabaseName("ix_stats_value");
        stat.HasIndex(s => new { s.ProjectId, s.By, s.Span, s.At, s.Value }).IncludeProperties(s => new { s.Measure, s.Count }).HasFilter("measure in ('accepted', 'sent')").HasDatabaseName("ix_stats_mail");
        stat.Property(s => s.By).UseCollation("C");
        stat.Property(s => s.Span).UseCollation("C");
        stat.Property(s => s.Value).UseCollation("C");
        stat.Property(s => s.Measure).UseCollation("C");
    }
}

/// <summary>Up to which place in its feed of events a project's are counted. It moves in the statement that counts, so nothing is counted twice or left out.</summary>
public sealed class StatCursor : IEntityTypeConfiguration<StatCursor>
{
    public int ProjectId { get; init; }
    public ulong Transaction { get; init; }
    public long Ordinal { get; init; }

    public void Configure(EntityTypeBuilder<StatCursor> cursor)
    {
        cursor.ToTable("stat_cursors");
        cursor.HasKey(c => c.ProjectId);
        cursor.Property(c => c.ProjectId).ValueGeneratedNever();
        cursor.Property(c => c.Transaction).HasColumnType("xid8");
    }
}
