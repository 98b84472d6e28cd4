namespace EmailApi.SmtpServer;

/// <summary>Why a message that was read to its end is not taken. The first reason found stays.</summary>
enum DataFault
{
    None,
    BareLineEnd,
    Nul,
    TooBig,
    NoRoom,
}

/// <summary>Finds the end of DATA and takes the stuffed dots out (RFC 5321 §4.5.2). Only CRLF.CRLF ends the data. A CR or LF by
/// itself never ends a line here, and a message that holds one is read to its real end and refused: whoever relayed it may have
/// seen other line ends than we do, and what follows them could be a second, forged mail.</summary>
sealed class DataDecoder(SmtpLimits limits, ByteBudget budget) : IDisposable
{
    enum At
    {
        LineStart,
        Text,
        Cr,      // a CR in the text that needs its LF
        Dot,     // a dot at the start of a line, not yet known to be stuffed or final
        DotCr,   // that dot and a CR
    }

    readonly MessageBuffer buffer = new(budget, limits.MaxMessageBytes);
    At at = At.LineStart;
    long received;

    public DataFault Fault { get; private set; }

    /// <summary>CRLF.CRLF was read.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Octets fed, thrown away ones too.</summary>
    public long Received => received;

    /// <summary>The client goes on far beyond the limit: answer now, do not wait for its end.</summary>
    public bool IsHopeless => received > (long)limits.MaxMessageBytes + limits.MaxDiscardedBytes;

    public ReadOnlyMemory<byte> Message => buffer.Written;

    /// <returns>How many octets belong to the data: all, unless <see cref="IsComplete"/>; what follows are commands.</returns>
    public int Feed(ReadOnlySpan<byte> input)
    {
        var from = 0;   // start of the run not yet appended; runs go over line ends and are cut at stuffed dots only
        var i = 0;
        while (i < input.Length)
        {
            switch (at)
            {
                case At.LineStart when input[i] == '.':
                    Append(input[from..i]);
                    from = ++i;
                    at = At.Dot;
                    break;
                case At.Dot when input[i] == '\r':
                    i++;
                    at = At.DotCr;
                    break;
                case At.DotCr when input[i] == '\n':
                    i++;
                    received += i;
                    IsComplete = true;
                    return i;
                case At.Cr when input[i] == '\n':
                    i++;
                    at = At.LineStart;
                    break;
                case At.Cr or At.DotCr:
                    Refuse(DataFault.BareLineEnd);
                    at = At.Text;
                    break;
                default:
                    at = At.Text;
                    var stop = input[i..].IndexOfAny((byte)'\r', (byte)'\n', (byte)'\0');
                    if (stop < 0)
                    {
                        i = input.Length;
                        break;
                    }
                    i += stop + 1;
                    if (input[i - 1] == '\r') at = At.Cr;
                    else Refuse(input[i - 1] == '\n' ? DataFault.BareLineEnd : DataFault.Nul);
                    break;
            }
        }
        if (at is not At.DotCr) Append(input[from..]);   // the CR after a dot is the end's, or the message is refused
        received += input.Length;
        return input.Length;
    }

    public void Dispose() => buffer.Dispose();

    void Append(ReadOnlySpan<byte> run)
    {
        if (Fault is not DataFault.None || run.IsEmpty) return;
        if (buffer.Length + run.Length > limits.MaxMessageBytes) Refuse(DataFault.TooBig);
        else if (!buffer.TryAppend(run)) Refuse(DataFault.NoRoom);
    }

    void Refuse(DataFault fault)
    {
        if (Fault is not DataFault.None) return;
        Fault = fault;
        buffer.Dispose();   // nothing of it is needed; the rest is read without storing
    }
}
