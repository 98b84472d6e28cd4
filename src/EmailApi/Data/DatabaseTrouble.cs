using System.Net.Sockets;
using Npgsql;

namespace EmailApi.Data;

/// <summary>Tells a database that is away from one that refuses.</summary>
public static class DatabaseTrouble
{
    /// <summary>Whether waiting may help: no connection, a restart, a failover, no room. False for errors of ours, such as a broken constraint.</summary>
    public static bool IsUnavailable(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            if (error is PostgresException postgres)
            {
                return postgres.IsTransient || postgres.SqlState is
                    PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow or
                    PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.DiskFull or PostgresErrorCodes.OutOfMemory or
                    PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.UndefinedTable or
                    PostgresErrorCodes.ObjectNotInPrerequisiteState;   // the last: "not currently accepting connections"
            }

            if (error is NpgsqlException or SocketException or TimeoutException or DatabaseUnavailableException) return true;
        }

        return false;
    }
}

/// <summary>The database was not reached yet since the start, or is being prepared.</summary>
public sealed class DatabaseUnavailableException(string message) : Exception(message);
