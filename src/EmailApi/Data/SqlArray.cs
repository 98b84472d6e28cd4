using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Data;

/// <summary>Array parameters of set-based statements.</summary>
static class SqlArray
{
    public static NpgsqlParameter<T[]> Of<T>(IEnumerable<T> values) => new() { TypedValue = [.. values] };

    public static NpgsqlParameter<string?[]> Jsonb(IEnumerable<string?> values) =>
        new() { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb };
}
