using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Data;

/// <summary>Array parameters of set-based statements.</summary>
static class SqlArray
{
    public static NpgsqlParameter<T[]> Of<T>(IEnumerable<T> values) => new() { TypedValue = [.. values] };

    public static NpgsqlParameter<string?[]> Jsonb(IEnumerable<string?> values) => Of(values, NpgsqlDbType.Jsonb);

    public static NpgsqlParameter<string?[]> Json(IEnumerable<string?> values) => Of(values, NpgsqlDbType.Json);

    static NpgsqlParameter<string?[]> Of(IEnumerable<string?> values, NpgsqlDbType type) => new() { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | type };
}
