using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Projects;

/// <summary>What a program proves itself with. Only the hash of the secret is kept.</summary>
public sealed class ApiKey : IEntityTypeConfiguration<ApiKey>
{
    /// <summary>The part of the key that is no secret; <see cref="ApiKeys.BootstrapId"/> for the bootstrap key.</summary>
    public required string Id { get; init; }
    public int ProjectId { get; init; }
    public required string Name { get; init; }
    /// <summary>SHA-256 of the whole key: it holds 160 random bits, so no slow hash is needed.</summary>
    public required byte[] Hash { get; set; }
    public required string[] Scopes { get; init; }
    public DateTimeOffset CreatedAt { get; init; }

    public void Configure(EntityTypeBuilder<ApiKey> key)
    {
        key.ToTable("api_keys");
        key.Property(k => k.CreatedAt).HasDefaultValueSql("now()");
        key.HasIndex(k => k.ProjectId);
        key.HasOne<Project>().WithMany().HasForeignKey(k => k.ProjectId);
    }
}
