using EmailApi.Data;
using EmailApi.Limits;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Projects;

public enum KeyMode
{
    Live,
    /// <summary>Mail sent with it never leaves: it is captured.</summary>
    Test,
}

/// <summary>What a program proves itself with, and what it may do. Only the hash of the secret is kept.</summary>
public sealed class ApiKey : IEntityTypeConfiguration<ApiKey>
{
    /// <summary>The part of the key that is no secret; <see cref="ApiKeys.BootstrapId"/> for the bootstrap key.</summary>
    public required string Id { get; init; }
    public int ProjectId { get; init; }
    public required string Name { get; init; }
    /// <summary>SHA-256 of the whole key: it holds 192 random bits, so no slow hash is needed.</summary>
    public required byte[] Hash { get; set; }
    public required string[] Scopes { get; init; }
    public KeyMode Mode { get; init; }
    /// <summary>Addresses and domains it may send as; empty: all.</summary>
    public string[] Senders { get; init; } = [];
    /// <summary>Streams it may use; empty: all.</summary>
    public string[] Streams { get; init; } = [];
    /// <summary>Addresses and domains it may send to; empty: all.</summary>
    public string[] Recipients { get; init; } = [];
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? ExpiresAt { get; init; }
    public DateTimeOffset? RevokedAt { get; set; }
    /// <summary>To the minute.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>Mails a second, and at once; null: what holds by default.</summary>
    public int? RatePerSecond { get; set; }
    public int? RateBurst { get; set; }
    /// <summary>What its mail gets that says nothing itself; null: the stream decides.</summary>
    public bool? TrackOpens { get; set; }
    public bool? TrackClicks { get; set; }
    public bool? TrackClicksText { get; set; }
    public bool? ReturnReceipt { get; set; }

    /// <summary>Only there when it was asked for.</summary>
    public Project? Project { get; init; }

    /// <summary>What holds for it; null: no limit.</summary>
    public RateLimit? Rate => RateLimit.Of(RatePerSecond, RateBurst) ?? (Id == ApiKeys.BootstrapId ? null : RateLimit.OfKeys);

    public bool IsBound => Senders.Length + Streams.Length + Recipients.Length > 0;

    public bool IsValidAt(DateTimeOffset now) => RevokedAt is null && !(ExpiresAt <= now);

    public void Configure(EntityTypeBuilder<ApiKey> key)
    {
        key.ToTable("api_keys");
        key.Property(k => k.Mode).AsWord().HasDefaultValueSql("'live'");
        key.Property(k => k.Senders).HasDefaultValueSql("'{}'");
        key.Property(k => k.Streams).HasDefaultValueSql("'{}'");
        key.Property(k => k.Recipients).HasDefaultValueSql("'{}'");
        key.Property(k => k.CreatedAt).HasDefaultValueSql("now()");
        key.Ignore(k => k.Rate);
        key.HasIndex(k => k.ProjectId);
        key.HasOne(k => k.Project).WithMany().HasForeignKey(k => k.ProjectId);
    }
}
