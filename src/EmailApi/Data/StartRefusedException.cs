namespace EmailApi.Data;

/// <summary>The app must not start. The message is one sentence for the operator: what is wrong and what would be right.</summary>
public sealed class StartRefusedException(string sentence, Exception? inner = null) : Exception(sentence, inner);
