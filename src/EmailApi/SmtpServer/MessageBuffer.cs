using System.Buffers;

namespace EmailApi.SmtpServer;

/// <summary>Octets that all sessions of a listener may hold of unfinished messages together.</summary>
sealed class ByteBudget(long limit)
{
    long taken;

    public long Taken => Interlocked.Read(ref taken);

    public bool TryTake(int bytes)
    {
        if (Interlocked.Add(ref taken, bytes) <= limit) return true;
        Interlocked.Add(ref taken, -bytes);
        return false;
    }

    public void Return(int bytes) => Interlocked.Add(ref taken, -bytes);
}

/// <summary>A message while it arrives: grows by doubling within the budget. Small arrays are pooled; big ones are left to the
/// collector, so that one 40 MB message does not stay in a pool.</summary>
/// <param name="maxBytes">No array is made larger than this; the caller appends no more.</param>
sealed class MessageBuffer(ByteBudget budget, int maxBytes) : IDisposable
{
    const int FirstBytes = 4096;
    const int MaxPooledBytes = 1024 * 1024;

    byte[] bytes = [];
    int length;

    public int Length => length;

    public ReadOnlyMemory<byte> Written => bytes.AsMemory(0, length);

    /// <returns>False when the budget does not allow it; nothing is appended then.</returns>
    public bool TryAppend(ReadOnlySpan<byte> more)
    {
        if (length + more.Length > bytes.Length && !TryGrow(length + more.Length)) return false;
        more.CopyTo(bytes.AsSpan(length));
        length += more.Length;
        return true;
    }

    public void Dispose() => Replace([]);

    bool TryGrow(int atLeast)
    {
        var size = Math.Max(atLeast, (int)Math.Min(Math.Max(FirstBytes, bytes.Length * 2L), maxBytes));
        if (!budget.TryTake(size)) return false;

        var isPooled = size <= MaxPooledBytes;
        var bigger = isPooled ? ArrayPool<byte>.Shared.Rent(size) : GC.AllocateUninitializedArray<byte>(size);
        if (bigger.Length > size && !budget.TryTake(bigger.Length - size))
        {
            budget.Return(size);
            ArrayPool<byte>.Shared.Return(bigger);
            return false;
        }
        bytes.AsSpan(0, length).CopyTo(bigger);
        Replace(bigger);
        return true;
    }

    void Replace(byte[] other)
    {
        if (bytes.Length > 0)
        {
            budget.Return(bytes.Length);
            if (bytes.Length <= MaxPooledBytes) ArrayPool<byte>.Shared.Return(bytes);
        }
        bytes = other;
        if (other.Length == 0) length = 0;
    }
}
