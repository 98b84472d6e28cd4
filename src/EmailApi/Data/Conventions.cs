using System.Linq.Expressions;
using EmailApi.Http;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Data;

/// <summary>What the table mappings share.</summary>
public static class Conventions
{
    internal const string PartitionedByAnnotation = "EmailApi:PartitionedBy";

    /// <summary>Partitions the table by range of a UUIDv7, that is by time; <see cref="Partitions"/> makes the partitions.</summary>
    public static void PartitionedBy<T>(this EntityTypeBuilder<T> entity, Expression<Func<T, Guid>> key) where T : class =>
        entity.Metadata.SetAnnotation(PartitionedByAnnotation, ((MemberExpression)key.Body).Member.Name == "Id" ? "id" : "email_id");

    /// <summary>Keeps an enum as its word.</summary>
    public static PropertyBuilder<T> AsWord<T>(this PropertyBuilder<T> property) where T : struct, Enum =>
        property.HasConversion(value => value.Word(), word => Words.Parse<T>(word)).HasMaxLength(16);
}
