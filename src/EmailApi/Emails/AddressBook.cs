using System.Diagnostics.CodeAnalysis;

namespace EmailApi.Emails;

/// <summary>From addresses as a request gives them to mailboxes.</summary>
static class AddressBook
{
    public static bool TryRead(AddressInput input, [NotNullWhen(true)] out Mailbox? mailbox, out string error)
    {
        return input.IsObject
            ? MailboxParser.TryCreate(input.Email, input.Name, out mailbox, out error)
            : MailboxParser.TryParse(input.Text, out mailbox, out error);
    }

    /// <summary>For a request that passed the validator.</summary>
    public static Mailbox Read(AddressInput input) =>
        TryRead(input, out var mailbox, out var error) ? mailbox : throw new ArgumentException(error, nameof(input));

    public static IReadOnlyList<Mailbox> Read(AddressListInput? list) => list is null ? [] : [.. list.Items.Select(Read)];
}
