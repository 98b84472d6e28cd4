using System.Buffers;
using System.Globalization;
using System.Text;

namespace EmailApi.Relays;

/// <summary>What was said in an SMTP dialogue: commands and replies; of the message its size alone, of credentials nothing. Bytes are kept as
/// they pass and made text of only when somebody wants it.</summary>
sealed class Conversation
{
    const int MaxBytes = 16 << 10;

    readonly ArrayBufferWriter<byte> said = new(1024);
    readonly List<(bool IsOurs, int End)> turns = [];
    long messageBytes;

    public void Clear()
    {
        said.ResetWrittenCount();
        turns.Clear();
        messageBytes = 0;
    }

    public void Command(ReadOnlySpan<byte> bytes)
    {
        Add(bytes);
        End(isOurs: true);
    }

    public void Message(int bytes) => messageBytes += bytes;

    public void Reply(ReadOnlySpan<byte> bytes)
    {
        EndMessage();
        Add(bytes);
        End(isOurs: false);
    }

    /// <returns>Lines that begin with <c>C: </c> (ours) or <c>S: </c> (the relay's), separated by line feeds.</returns>
    public string Text()
    {
        EndMessage();
        var text = new StringBuilder(said.WrittenCount + 100);
        var start = 0;
        foreach (var (isOurs, end) in turns)
        {
            foreach (var line in Encoding.UTF8.GetString(said.WrittenSpan[start..end]).Split('\n', StringSplitOptions.RemoveEmptyEntries))
                text.Append(isOurs ? "C: " : "S: ").Append(line.TrimEnd('\r')).Append('\n');
            start = end;
        }

        return text.ToString();
    }

    void EndMessage()
    {
        if (messageBytes == 0) return;
        Add(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"({messageBytes} bytes of message)")));
        End(isOurs: true);
        messageBytes = 0;
    }

    void Add(ReadOnlySpan<byte> bytes) => said.Write(bytes[..Math.Min(bytes.Length, Math.Max(0, MaxBytes - said.WrittenCount))]);

    void End(bool isOurs)
    {
        if (turns.Count == 0 || turns[^1].End < said.WrittenCount) turns.Add((isOurs, said.WrittenCount));
    }
}
