using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Restore;

/// <summary>What told that a database was restored.</summary>
public enum HoldReason
{
    /// <summary>Its server is another than the one that mail was sent from.</summary>
    AnotherCluster,
    /// <summary>It is another database of the same server, such as a clone.</summary>
    AnotherDatabase,
    /// <summary>Its rows were loaded, as from a dump.</summary>
    Reloaded,
    /// <summary>The embedded cluster's files are copies.</summary>
    Moved,
    /// <summary>A node has seen it further on than it is.</summary>
    SetBack,
    /// <summary>A standby took over, or it was recovered to a point in time, and the nodes cannot vouch that nothing of their work is missing.</summary>
    AnotherTimeline,
    /// <summary>A person said so.</summary>
    ByHand,
}

/// <summary>One row: in which place of which server this database lives, and so since when. A database that finds itself elsewhere was restored, and
/// nothing leaves it until a person releases it. The first start writes the row, no migration: a clone of a migrated database is none of a used one.</summary>
public sealed class Epoch : IEntityTypeConfiguration<Epoch>
{
    /// <summary>Text that stands for what a node has checked: this server since its start, this database, and this version of the row <c>e</c>. As any of them
    /// changes no statement that asks for it finds anything, until the node has looked again. Cheap, as each claim asks.</summary>
    internal const string Fingerprint =
        "concat_ws(' ', extract(epoch from pg_postmaster_start_time()), (select d.oid from pg_database d where d.datname = current_database()), e.xmin)";

    /// <summary>Always true: there is one row.</summary>
    public bool Id { get; init; }
    /// <summary>When this epoch began: the first start, or the last release.</summary>
    public DateTimeOffset Since { get; init; }
    /// <summary>PostgreSQL's number of the cluster; null where it does not tell.</summary>
    public long? SystemIdentifier { get; init; }
    public long DatabaseOid { get; init; }
    /// <summary>Counts the cluster's recoveries and failovers; null where it does not tell.</summary>
    public int? Timeline { get; init; }
    /// <summary>The embedded cluster's folder, as the file system knows it; null for other databases, and until the next start after a release.</summary>
    public string? Place { get; init; }
    /// <summary>Who wrote this version of the row. In a row that was loaded from a dump it is not the one of its <c>xmin</c>.</summary>
    public ulong Transaction { get; init; }
    public DateTimeOffset? HeldAt { get; init; }
    public HoldReason? HeldFor { get; init; }
    /// <summary>When a node first saw another timeline and asked the others to vouch.</summary>
    public DateTimeOffset? AskedAt { get; init; }

    public void Configure(EntityTypeBuilder<Epoch> epoch)
    {
        epoch.ToTable("epoch", table => table.HasCheckConstraint("ck_epoch_one_row", "id"));
        epoch.Property(e => e.Id).HasDefaultValue(true);
        epoch.Property(e => e.Since).HasDefaultValueSql("now()");
        epoch.Property(e => e.Transaction).HasColumnType("xid8").HasDefaultValueSql("pg_current_xact_id()");
        epoch.Property(e => e.HeldFor).HasConversion(new EnumWords()).HasMaxLength(16);
    }

    sealed class EnumWords() : Microsoft.EntityFrameworkCore.Storage.ValueConversion.ValueConverter<HoldReason, string>(
        reason => Http.Words.Word(reason), word => Http.Words.Parse<HoldReason>(word));
}

/// <summary>A node that delivers, for as long as it runs: after a failover each of them must vouch before mail goes on.</summary>
public sealed class DeliveringNode : IEntityTypeConfiguration<DeliveringNode>
{
    public Guid Id { get; init; }
    public DateTimeOffset SeenAt { get; init; }
    /// <summary>The timeline that it vouched for, or was on when it began.</summary>
    public int? Timeline { get; init; }

    public void Configure(EntityTypeBuilder<DeliveringNode> node)
    {
        node.ToTable("delivering_nodes");
        node.Property(n => n.Id).ValueGeneratedNever();
        node.Property(n => n.SeenAt).HasDefaultValueSql("now()");
    }
}
