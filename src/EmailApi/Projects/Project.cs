using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Projects;

/// <summary>A tenant: owns keys, streams and mail. Nothing of one is seen from another.</summary>
public sealed class Project : IEntityTypeConfiguration<Project>
{
    /// <summary>Exists from the first start.</summary>
    public const string Default = "default";

    public int Id { get; init; }
    public required string Name { get; set; }
    public DateTimeOffset CreatedAt { get; init; }

    public void Configure(EntityTypeBuilder<Project> project)
    {
        project.ToTable("projects");
        project.HasIndex(p => p.Name).IsUnique();
        project.Property(p => p.CreatedAt).HasDefaultValueSql("now()");
    }
}
